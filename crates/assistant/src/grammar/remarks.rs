//! The frames of what is said to the assistant and asks nothing of the tools: yes and no, what it must not or cannot
//! do, and small talk. They are read as `grammar.rs` says, and a new one is one line.

use super::reading::{Frames, Intent};

/// The frames of remarks.
pub(super) const REMARKS: &[Frames] = &[
    Frames {
        intent: Intent::Crisis,
        sure: &[
            "[{rest}] i [just|really] (want|would like|am going|plan) to (die|kill myself|end my life|end it all|hurt myself|not be here|not exist|disappear forever|be dead) [{rest}]",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Wait,
        sure: &[
            "[oh|ok] (wait|hold on|hang on|one (sec|second|moment|minute)|just a (sec|second|moment|minute)|give me a (sec|second|moment|minute)|let me (think|see|check)|i am thinking|not sure [yet]|i do not know [yet]|no idea) [a (sec|second|moment|minute)] [let me (think|see|check)] [about (it|that)]",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Comment,
        sure: &[
            "[oh|ok|sorry] (wrong (chat|window|app|person)|ignore (that|me|this)|forget i said (that|anything)|that was not for you)",
            "(i have to go|i will be right back|brb|back in a (minute|sec)|lol|haha|hahaha|nice weather)",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Correct,
        sure: &[
            "[no] [oh|oops|whoops] [sorry|wait] i (mean|meant) [to say] {new}",
            "(no|oops|sorry|wait) [sorry|wait|i meant] [scratch that [wording]] [make (that|it)] {new}",
            "(make|call) (that|it) {new} [instead]",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Dates,
        sure: &[
            "(can|could|do|will|would) you [also] (set|send|give|do|make|handle|support|have) [me] [a|any] (reminders|reminder|alarms|alarm|notification|notifications|due dates|dates|deadlines|recurring tasks|repeating tasks) [{rest}]",
            "(can|could) (i|you) (set|add|give) [it|them|a task|tasks] [a] (due date|due dates|deadline|deadlines|date|dates|time|times) [{rest}]",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Fields,
        sure: &["(set|change|make) [the|a|its] (priority|priorities) [of|for|to] [{rest}]"],
        unsure: &[],
    },
    // What must not be done.
    Frames {
        intent: Intent::Leave,
        sure: &[
            "do not [go|start] (removing|deleting|touching|adding|changing|ticking off|crossing off) [{item}] [yet] [{rest}]",
            "[please] do not (touch|remove|delete|change|tick off|lose|drop) [{item}] [yet]",
            "(yes|yeah|yep|ok|okay|sure) but (keep|not|leave|do not (delete|remove|touch)) {item}",
            "(keep|leave) {item} (on there|on the list|where it is|for now)",
            "[no] (do not|never|please do not|not) [ever] (<add>|<put>|<make>|<delete>|<drop>|<complete>|<finish>|<mark>|<check-off>|<rename>|<change>|take) [{item}] [<on-list>]",
            "no need to (<add>|<put>|<make>|<delete>|<drop>|<complete>|<mark>|<rename>|<change>) {item}",
            "[no] [wait] (do not|never) [do] [that|it|this|anything] [any more|yet]",
            "i (do not|never) (want|wanted|asked|meant) [<a>|it|that|you] [for you] to {item}",
            "[no] (leave|keep) {item} [as (it is|they are)|alone|there] [<on-list>]",
            "[no] [cancel] never mind [that|it|then]",
            "(cancel|stop|abort|forget it|forget that|forget about it|nothing|no matter)",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Yes,
        sure: &[
            "(yes|yeah|yep|yup|sure|ok|okay|correct|right|exactly|absolutely|definitely|indeed|certainly|affirmative) [correct|please|sure|right|go ahead|do it|do that|that is (right|it|the one)]",
            "[yes|yeah|ok|okay|sure] (go ahead|do it|do that|please do|confirmed|confirm it|that is (right|correct|it)|sounds good|of course|why not)",
            "please",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::No,
        sure: &[
            "(no|nope|nah|negative|not now|not really|not right now|not yet|better not|neither|none [of them|of those]) [thanks|thank you|please|do not]",
            "no [that is] (wrong|not it|not right|not what i (want|meant|said))",
        ],
        unsure: &[],
    },
    // What cannot be done here.
    Frames {
        intent: Intent::DeleteAll,
        sure: &[
            "<everything> [<from-list>] (should|must|has to|needs to|can) (go|be deleted|be removed) [away]",
            "clear the whole (thing|list) [{rest}]",
            "[<wish>] (<delete>|<drop>|empty|wipe|reset|purge) [out] <everything> [<on-list>]",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::CompleteAll,
        sure: &["[<wish>] (<mark>|<check-off>|<complete>|<finish>) <everything> [off] [<done>] [<on-list>]"],
        unsure: &[],
    },
    Frames {
        intent: Intent::Undo,
        sure: &[
            "[<wish>] <undo> [all [of]] [it|that|this|them|these|those|everything]",
            "[<wish>] <undo> (what you [have] [just] (did|done|changed)|[<det>] [very] [last|latest|previous] (change|changes|action|step|command|edit|deletion|deletions|operation|thing you did))",
            "[<wish>] (bring|take|get|put|add|change|turn|roll) [all [of]] (it|that|this|them|these|those|everything) [all] back [<to-list>]",
            "[<wish>] <undo> {item}",
            "[<wish>] (bring|take|get|put) {item} back",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Reopen,
        sure: &[
            "[<wish>] (uncheck|untick|reopen|unmark|uncomplete|re open|un check|un complete) {item}",
            "[<wish>] (mark|set|make) {item} [as|to|to be] (not (done|complete|completed|finished)|undone|incomplete|unfinished|pending|open|uncompleted|to do) [again]",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::OtherLists,
        sure: &[
            "[<wish>] (<make>|rename|build|form) (a|an|another|one|one more|the|my) [new|separate|second|fresh|blank|empty] ({*}|<topics>) (list|lists) [for|of|called|named|to|that|with] [{item}]",
            "[<wish>] (<make>|build) [new] [<topics>] (list|lists) [(for|of|called|named) [{item}]]",
            "[<wish>] <delete> (a|this|that|one|the|my|our) {*} (list|lists)",
            "[<wish>] <delete> (a|this|that|one|the|my) [<topic>] (list|lists) [for|of|called|named] {item}",
        ],
        unsure: &[],
    },
    // What another program looks after, in frames that would else be a command.
    Frames {
        intent: Intent::Elsewhere,
        sure: &[
            "[<wish>] (<add>|<put>) [{item}] (to|on|onto|in|into) [<det>] {*} <container> [(for|on|at|by|from) {rest}]",
            "i (need|want|would like) to (know|see|talk|hear|find out|learn|ask|speak|listen|watch) {item}",
            "[<wish>] (<delete>|<drop>|take) {item} (from|off|off of|out of|on|in) [<det>] {*} (<container>|<elsewhere>)",
            "(<make>|call|change|set) [<det>] name [to] {item}",
            "[<wish>] (<add>|<make>|<put>) (a|an|another|my) [new] (event|alarm|timer|calendar entry|contact|playlist|appointment on my calendar) [{rest}]",
            "call me {item}",
            "play {item}",
        ],
        unsure: &[],
    },
    // Being polite.
    Frames {
        intent: Intent::Greet,
        sure: &[
            "(hi|hello|hey|hiya|howdy|yo|greetings|good (morning|afternoon|evening|day)) [there|again|assistant|doable|ai|everyone|friend|you]",
            "[hi|hello|hey] (how are you [doing|today]|how is it going|what is up|how do you do|how have you been)",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Thanks,
        sure: &[
            "[ok|okay|great|perfect|cool|awesome|nice|many] (thanks|thank you|thx|ty|cheers) [a lot|so much|very much|again|for {item}|you] ",
            "(great|perfect|awesome|cool|nice|wonderful|excellent|well done|good (job|work)|nice (job|work)) [thanks|thank you]",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Bye,
        sure: &[
            "[ok] (bye [bye]|goodbye|good bye|good night|goodnight|see you [later|soon|tomorrow]|talk to you later|later|cya|that is all)",
        ],
        unsure: &[],
    },
    Frames {
        intent: Intent::Help,
        sure: &[
            "do i have to {rest} or (is|can|do) {rest}",
            "how do (i|you|we) {rest}",
            "(can|could) you (help|explain) [me] [{rest}]",
            "what (do|can) (you|i) [actually] (do|use you for|use this for) [{rest}]",
            "do you (know how to|understand) {rest}",
            "what are (my options|your (features|functions|commands|abilities))",
            "what (can|could|do) you do [for me|here]",
            "what [sort of|kind of|kinds of] [things|tasks|stuff] can you (do|complete|help [me] with|help) [for me] [with] [exactly]",
            "how (do you|does this|does it|do i use (this|you|it)) [work|this]",
            "how (do|can|could|would|should) i (<add>|<make>|<delete>|<complete>|<mark>|<rename>|<change>|<show>) [<a>] (<kind>|<kinds>) [<done>]",
            "who are you",
        ],
        unsure: &[],
    },
];
