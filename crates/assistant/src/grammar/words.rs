//! The word families of the grammar: what may stand where a line says `<name>`.
//!
//! To teach a verb or a word for the list, add it here; to teach a way of saying something, add a line to the frames of its
//! intent. The notation is told in `notation.rs`; contractions are written out ("do not", "what is").

use super::reading::Feature;

/// Word families that name the list.
pub(super) const LIST_NAMES: &[&str] = &["list", "the-list", "bare-list", "own-tasks"];

/// Features of the frames whose line names a family.
pub(super) const FEATURES: &[(&str, Feature)] = &[
    ("done", Feature::Done),
    ("add", Feature::Add),
    ("chore", Feature::Chore),
    ("tick-it", Feature::Done),
    ("record-that", Feature::Done),
    ("delete-it", Feature::Done),
    ("strike-it", Feature::Done),
    ("so-done", Feature::Done),
    ("put", Feature::Put),
    ("add-it", Feature::Put),
    ("adding", Feature::Put),
    ("remind-me", Feature::Reminder),
    ("be-reminded", Feature::Reminder),
    ("reminder", Feature::Reminder),
];

/// Each family's name and what it matches. A family names only those above it.
pub(super) const FAMILIES: &[(&str, &str)] = &[
    // Around a command, as often as one likes. They say nothing about what is wanted.
    (
        "lead",
        "at some point | before i forget | i have lost track | turns out [that] | on reflection | same as {*} \
         | not urgent but | also | oh and before i forget | i was going to leave but | yes yes | guess what \
         | well | it turns out [that] | they say | so \
         | it would (be helpful|help|be useful) if you (could|would) \
         | i think [that] (we|you) (can|should|may) | if you do not mind | for the sake of clarity \
         | as agreed [with {*}] | good news | i believe | would it be all right to | might you \
         | i wonder if you (could|would|might) | may i ask you to | perhaps you would | see to it that | i forgot to (tell you|mention|say) \
         | i said | god | oh god | great | apparently | ok fine | ugh ok | on second thoughts \
         | on second thought | i am begging you to | i am asking you to | now try | let me rephrase [that] \
         | i have changed my mind | to be honest | honestly \
         | (could|would|can) you now | i typed it wrong | then please | as a test | by the way | btw \
         | thanks and | perfect now | (could|can) we | i would also like [you] to | wait no \
         | i want (that you|you to) | i need you [to] | i would like | you must | you have to | you need to \
         | (would|it would) be good to | (can|could|may) you for me | for me | log this | please to \
         | i (like|want) to ask you to | right | yo | ugh | omg | mate | love | look | listen | yeah | yep \
         | go on [then] | might i trouble you to | would you mind | better | [so] i think [(we|you) can] \
         | quick one | while i am (thinking|at it) | one more thing | one more | oh and | as of (today|now|this (morning|week)) \
         | (do|be) me a (favour|favor) [and|to] | i will need you to | i would like us to | finally \
         | if it is not too much trouble | if you would | i would be grateful if you (could|would) \
         | it would be (great|good|nice|helpful) if you (could|would) | (would|could) you be able to | let me \
         | kindly | another thing | reminder to self | new thing | dear | sir | bro | dude | man \
         | haha | lol | nah | perhaps you (could|can) | then | i suppose (we|you) can | you will | i also \
         | i guess | i reckon | i would ask you to | i ask that you | would you please | do please | try and \
         | try to | (we|i) can | (we|you) should [probably|also] | (we|you) (might|may) as well \
         | it is time (we|you|to) | please [to] | pls | plz | hey [there] | hi [there] | hello [there] | ok \
         | okay | oh no | no no | sorry | wait | oops | whoops | hold on | hang on | now | and | alright \
         | yes | just | actually | oh | thanks | quickly | simply | alexa | siri | google | assistant \
         | doable | (can|could|will|would) (you|we) | (would|do) you mind | (how|what) about | feel free to \
         | (would|will) it be possible [for you] to | is it possible [for you] to \
         | [is there] any chance you (could|can) \
         | i (can not remember|do not remember|forgot|forget|wonder|am not sure|was wondering|have no idea) \
         | let us (go ahead and|start by) | do you (know|remember) | start by | would you be so kind [as] to \
         | you (can|may) | i (want|need|would like|would love) [for] you to | i was wondering if you could \
         | if you (can|could) | (may|can|could|might) i | [no] (i (mean|meant)|wait|sorry|scratch that) \
         | may i suggest [that] we | help [me] [to] | (be|make) sure (to|you) \
         | (i|we) would appreciate it if you could | go ahead and | let us | do me a favor and \
         | (good|nice) (morning|evening|day)",
    ),
    // What people add behind a command without a mark: a reason, a sigh.
    (
        "subject",
        "she transferred | she paid | he paid | they went | they moved | not needed | no longer needed | including | trying | i am | i have | i had | i will | i was | i just | i already | i did | i do not | i did not | i can | i got | i need | i think | i forgot | i keep | i missed | i sent | i made | i paid | i took | i (finished|bought|found|changed|decided|realised|realized|sorted) \
         | we are | we have | we had | we got | we do not | we did | we will | we can | we (bought|found|sold|changed|decided) | it is | its | it was | it got | it has | it does not | it will | it went | they are | they have | they had | they got | they will | they (said|cancelled|canceled|moved|called) \
         | he is | he has | he had | he got | he (did|said|says|wants|fixed|bought) | she is | she has | she had | she got | she (did|said|says|wants|bought) | you are | that is | that was | there is | there are | who am i | who cares | because | since | as (i|we|he|she|it|they|the) | thank god | thank goodness | oh my | oh thank | oh well | omg | phew | turns out | not (happening|going|doing|needed|paying|worth) | no (need|point|longer) | so no (need|point) | apparently | turned out | nobody | somebody | someone | all done | already (did|paid|bought)",
    ),
    ("comment", "<subject> [{rest}]"),
    // A clause behind a command that ends with the list: "off my list, she quit". No name goes on there.
    ("clause-behind", "(i|we|he|she|they|it|because|since|as|before|while|when) {rest}"),
    (
        "when-done",
        "[earlier|late] (this|yesterday|last|on) (morning|afternoon|evening|night|week|weekend|monday|tuesday|wednesday|thursday|friday|saturday|sunday) | yesterday [morning|afternoon|evening|night] | earlier [today] | just now | a (minute|moment|while) ago | an hour ago | already | today | last night",
    ),
    // Behind a command that ends with a new title: as little as possible, because it might belong to the title.
    (
        "tail",
        "too | (and|so) (do not let me forget|do not forget|i do not forget) | out loud | aloud | (while|whilst) (you are|i am|we are) at it | going forward | and thanks | from now on | he has been {rest} | like crazy | oh | omg | asf | (should not) i | (will|would) you please | if you would be so kind | would you please | for me first | as well | (even though|although|honestly) {rest} | (it is|its) on the {rest} | whatever | lol | haha | ha | k | yeah | innit | mate | love | dear | right | then | (will|would) you | before i forget | as well while i am thinking | cheers mate | ta | much appreciated | many thanks | if that is (ok|okay|alright|possible) | thanks in advance | if you (would|will) be so kind | will you please | so i do not forget | for now | when you have a moment | at once | quickly | real quick | ok thanks | too please | thankyou | sorry | please and thank you | please | pls | plz | thx | ty | cheers | thanks [a lot|so much] | thank you [very much|so much] | for me | ok | okay | would you | will you \
         | can you | could you | if you (can|could|would|do not mind) | if possible | asap | i would appreciate it | can you tell me | so i can see (it|them) | so (i know|i can see) | as soon as (possible|you can) | when you (can|get a chance|have time)",
    ),
    // Behind any other command.
    (
        "loose-tail",
        "(finished|done|complete|completed|open|pending) (or|and) (not|open|pending|unfinished|done) | yeah | yeah i have | oh | omg | right | rn | right away | for me please | too much | again please \
         | because {rest} | too expensive | <comment> | there | finally | at last | in the end | completely \
         | fully | entirely | instead | though | anyway | actually | from there | any more | anymore \
         | any longer | <when-done> | <tail> | for us | now | right now | again | too | as well | also | then \
         | already | [for] today",
    ),
    // Before a command that is clear anyway.
    (
        "wish",
        "do | (i|we) (should|would) like [you] to | (i|we) shall (need|be needing|want) to | (i|we) (would|will) be needing to | (i|we) (was|were|have been|am|are) (told|meaning|asked|supposed|meant|promised|planning|hoping) to | (i|we) have (promised|been meaning|been asked|decided|agreed) to | (i|we) (might|may) want to | it (might|would) be (wise|good|best|sensible) to | (i|we) (better|had better|ought to|might|could do with|would rather|am meant to|am supposed to) | it is (time|about time) (to|i) | someone (should|needs to) | you (better|had better) | i would like us to | i (want|need|have|wish|would like|would love|am going|got|have got|had better|will need) to | i (must|should|shall|will) [to] \
         | i need | (you|we) (should|must|need to|have to) | help | it is time to | time to",
    ),
    // Tasks and lists.
    (
        "det",
        "this week's | my week's | the week's | the | my | our | your | this | that | these | those | todays | today's | tomorrows | tomorrow's | all [of] (the|my|our|these|those) | any of my",
    ),
    ("a", "a | an | another | one more | one | some | a few | the | my | this | that | new"),
    (
        "kind",
        "item | story | job | thing | bullet | ticket | task | to do [item|task|entry] | reminder | entry \
         | chore | errand | note | point | row | line",
    ),
    (
        "kinds",
        "jobs | stuff | chores | errands | bits | entries | tickets | matters | bits and (bobs|pieces) | ones \
         | tasks | to dos | to do [items|tasks|entries] | items | reminders | notes | things",
    ),
    ("a-task", "[<a>] [new] <kind>"),
    (
        "topic",
        "to do | to dos | task | tasks | shopping | grocery | groceries | chore | chores | reminder | reminders | errand | errands \
         | work | packing | wish | bucket | reading | household | daily | weekly",
    ),
    ("topics", "<topic> [<topic>] [<topic>]"),
    (
        "purpose",
        "of (<kinds>|groceries|shopping|<topic>|stuff|mine|{*}) [to (do|buy|get|complete|remember|accomplish|finish|watch|read|see|try|visit)] [that] [i (need|have) to (do|buy|get)] \
         | for (shopping|today|work|groceries|the week)",
    ),
    ("weekday", "monday | tuesday | wednesday | thursday | friday | saturday | sunday"),
    (
        "when",
        "(today|tomorrow|yesterday|[on|this|next] <weekday>) [morning|afternoon|evening|night] | in the (morning|afternoon|evening) | at {number} [am|pm] | tonight | now | right now | [for|of|from|in|on] (today|tomorrow|now|[this|the|next] (week|weekend|month|day|morning|afternoon|evening|<weekday>)) \
         | so far | currently | at the moment",
    ),
    ("bare-list", "list"),
    // A list by that name, which may stand behind a title.
    (
        "the-list",
        "([<det>] <topics>|<det> {*} [<topics>]|[<det>]|(todays|today's|tomorrows|tomorrow's|tonights|tonight's) [<topics>]) (list|lists|wishlist|checklist|agenda|bag|basket) [<purpose>] [for [<det>] {*}] [<when>] \
         | [the|my] (things|stuff) [that] (i|we) (need|have) to (buy|get|do|pick up|pack|bring|take|order|finish|remember) [(at|from) the (store|shop|market|supermarket)] \
         | [<det>] <topics> app",
    ),
    // The list by any name.
    (
        "own-tasks",
        "<det> {*} (tasks|to dos|chores|errands|reminders) | [<det>] (tasks|to dos|to do|reminders|chores|errands|groceries)",
    ),
    (
        "list",
        "<the-list> [<kinds>] | [<det>] things to (do|buy|get|remember) [<when>] | [<det>] <topics> (items|things|stuff|entries|jobs) | [<det>] (<kinds>|to do|to do items|groceries) [<purpose>] [<when>]",
    ),
    (
        "on-list",
        "(in|on|from) <bare-list> | on there | on it | there | on here | in there | off there | off it | off | from there | from it | (on|onto|in|into|to|at|off|from|of|out of) <list>",
    ),
    (
        "to-list",
        "on the (pile|stack) | to (tonight's|today's|tomorrow's) (jobs|tasks|list|chores) | to my (jobs|shopping|errands|chores) \
         | to the (shopping|jobs) | on record | among my <kinds> | to what i have {*} | back on | at the top \
         | on it | on (it|that) | to it | (in|to|on|into) <bare-list> | to my things \
         | on my (agenda|plate|radar) | (to|in|on) (the|my) (backlog|queue) | on there | in there | on here \
         | down on <the-list> | into it | [for me] (to|on|onto|in|into|down on|down in|up on) <the-list> \
         | (to|on|onto|in|into|among) <own-tasks> [<when>] \
         | under <list>",
    ),
    ("to-place", "<to-list> | down | in | on | for later"),
    (
        "from-list",
        "from my (jobs|shopping|errands|chores) | (from|of|out of|in|off) <bare-list> | from (the|my) (backlog|queue|things) | off there | from there | off it | from it | off | off of there | out of there | out of it | away | off here | from here | off for me | (from|off|off of|out of|of|on|in) (<the-list>|<own-tasks>)",
    ),
    // Verbs.
    (
        "add",
        "queue up | insert | enter | stick in | throw in | toss in | chuck in | pop in | add | ad | append | re add | include | jot down | write down | note down \
         | take down | tack on",
    ),
    (
        "make",
        "create | assign [me] | make | set [up] | start | begin | open [up] | enter | record | register | schedule | log | track | add | give me | get me | have | put",
    ),
    (
        "put",
        "toss | throw | log | slip | stick | chuck | shove | bung | whack | add | save | pencil in | mark down \
         | scribble | type | put | place | pop | slap | include | list | note | write | jot | jot down \
         | put down | write down | get | enter | drop | set | keep",
    ),
    (
        "show",
        "state | scroll through | refresh my memory (on|about|of) | have an overview of | hear | repeat | tell me | be curious to hear | print | print out | dump \
         | read to me | let me see | give me | cat | ls | what is in | read me [back|out] | get up | throw up \
         | talk me through | take me through | hit me with | remind me [of] | go over | pop up | run by me \
         | summarise | summarize | recap | let me (have|get) (a look|a peek|a glimpse) [at|of] | let me know \
         | give us | flash | whip out | call up | view | provide | letting me (see|know|have) | show \
         | list [off|out] | display | see | read [out|off|back|aloud] | tell | print [out] | pull up \
         | bring up | recite | review | look at | look up | look over | check [out] | go through \
         | run through | run down | walk me through | give | get | know | browse | find | fetch | open \
         | iterate [over] | share | send | let me hear | speak | inform | take a look at | have a look at",
    ),
    (
        "mark",
        "consider | treat | regard | tick off | put | call | class | log | count | register | label | mark \
         | set | flag | tag | check [off] | tick [off] | cross [off|out] | put down | make | note",
    ),
    (
        "remind-me",
        "remind to me | remember me | remind us | make me remember | remember to me | do not let me [to] forget | ping me | nudge me | alert me | buzz me | prompt me | give me (a|another) (heads up|nudge|shout|ping) | remind me",
    ),
    ("be-reminded", "be reminded"),
    ("reminder", "reminder"),
    (
        "check-off",
        "cross off of | tick of | cross of | check of | mark of | close off | check off | tick off \
         | cross off | mark off",
    ),
    (
        "done",
        "in the (done|finished|completed) (pile|list|section|column) | → (done|complete|completed|finished|finito) | like (done|finished|complete) | as solved | solved | (is|as) (finito|solved|resolved|fixed|shipped|merged) | fixed | resolved | shipped | status (done|finished|complete) | ready | off as done | (down|through|off) as (done|complete|completed|finished) | to (done|complete|completed|finished) | sorted | in the bag | dealt with | handled | taken care of | (as|is|now) (sorted|handled|dealt with) | for done | paid | over with | over and done with | [as|to|to be|is|being|as being|as having been] [all] (done|complete|completed|finished|ready|accomplished|closed)",
    ),
    ("complete", "complete | accomplish"),
    ("finish", "finish [up|off|with] | wrap up | resolve | be done with"),
    (
        "finished",
        "knocked out | gotten through | ticked | crossed off | finally (finished|done|completed) \
         | all done with | (wrapped|finished|sorted|cleared|tidied) [up|out|off] | got through \
         | managed to (do|finish|complete) | ticked off | submitted | handed in | turned in | sent off \
         | polished off | got (around|round) to | nailed | sorted out | finished [up|off|with] | completed \
         | done with | through with | done | accomplished | taken care of | took care of | wrapped up \
         | got done with",
    ),
    (
        "delete",
        "omit | ditch | cut | axe | void | un add | unadd | yank | scribble out | off with | cross through | bin off | do away with | discard | withdraw \
         | leave out | let go of | nuke | kick out | kick | throw | dump | wontfix | exclude | remove off \
         | take off | take out | take away | strip | knock off | cross out | strike out | strike off \
         | get off | lose | remove out | throw out | throw away | chuck out | eighty six | zap | purge \
         | wipe off | clear off | cut out | drop off | delete | remove | erase | get rid of | trash | bin \
         | nix | scrap | eliminate | kill | scratch",
    ),
    (
        "drop",
        "scrub | abandon | scratch | take off | do not bother with | forget | lose | toss [out] | bin \
         | cancel | drop | clear | forget [about] | skip | strike | wipe | pull \
         | exclude",
    ),
    // The same as what somebody is asked to be so kind to do: "would you mind adding milk".
    (
        "adding",
        "adding | popping | sticking | throwing | tossing | noting | getting | having | putting | including | writing [down] | placing | jotting down",
    ),
    (
        "deleting",
        "deleting | removing | erasing | dropping | clearing | getting rid of | taking off | taking out | crossing off | crossing out",
    ),
    (
        "deleted",
        "deleted | removed | erased | dropped | taken off | taken out | struck off | crossed off | crossed out",
    ),
    // What stands for a thing that was just named.
    ("pron", "it | that | this | them | those | these | this one | that one | some"),
    // Why something goes on the list ...
    (
        "need",
        "(i|we) have run out of | (i|we) (are|am) running (out of|low on|short on|short of) | (we|i) (are|am) (down to|nearly out of|almost out of|fresh out of|short of|short on|clean out of) | (i am|we are) going to need | (we|i) (could do with|want|are missing|am missing|are short) | (i am|we are|i have|we have) [all|just|completely|totally|almost|nearly|about|running|getting|run] (out of|low on) \
         | (i|we) [just|have|almost|nearly|have just] (ran|run) (out of|low on) \
         | (i|we) [really|also|still] (need|want|could use|would like|forgot|will need|are going to need) [to (buy|get|grab|order|purchase|have|add|put)] [some|more|some more|another] \
         | (i|we) [really|also|still] (should|must|have to|ought to|have got to) (buy|get|grab|order|purchase) [some|more|some more|another] \
         | (i|we) (do not have|have no|have not got) [any|enough] [more] | (i|we) [have] used [up] [all|the last] [of] [the|our|my]",
    ),
    // ... and why it goes off again.
    (
        "unneeded",
        "(i|we) (no longer|do not) [really] (need|want|have) [to [get|buy|do]] | (i|we) (have|got) (plenty of|enough) \
         | (i|we) (can not afford|do not have [enough] money (for|to (buy|get)))",
    ),
    ("had", "[i|we] [have] [already|just] (have|had|got|bought|purchased|own|ordered|picked up|found)"),
    (
        "did-verb",
        "been to | gone to | did | done | got done | got | bought | made | picked up | paid | called | rang | phoned | emailed | texted | cleaned | washed | sent | booked | took back | fixed | returned | dropped off | filed \
         | signed | wrote | cut | fed | walked | watered | took [out] | ordered | posted | renewed | visited | met | swept | mowed | packed | replied to | spoke to | talked to | printed | hung | painted \
         | planted | baked | cooked | collected | delivered | uploaded | deployed | merged | reviewed | invoiced | emptied | changed | replaced | repaired | scheduled | cancelled",
    ),
    (
        "did",
        "(i|we) [have] [already|just] (<finished>|did|done|got|bought|made|picked up|paid|called|cleaned|washed|took care of)",
    ),
    (
        "chore",
        "buy | pick up | drop off | clean [up|out] | wash | fix | repair | water | mow | feed | renew | iron | vacuum | bake | walk | sweep | mop | dust | rake | trim | defrost | descale | declutter | unpack | pack",
    ),
    ("undo", "undo | revert | reverse | take back | roll back | bring back | restore | recover"),
    ("rename", "reword | rewrite | re name | re word | retype | relabel | rename | retitle | rephrase"),
    (
        "change",
        "modify | edit | reword | bump | transform | switch | tweak | adjust | change | update | revise \
         | alter | correct | amend | replace",
    ),
    ("part", "[the|its] (spelling|title|name|text|content|contents|wording|description|topic|subject)"),
    ("into", "→ | into | so it says | to say | to be | as | to read | instead to | to"),
    ("any-more", "any longer | after all | anymore please | no more | anymore | any more | now | right now | either"),
    (
        "into-saying",
        "so it becomes | → | it should read | it should say | so it reads | please change it to \
         | please make it | so shorten it to | ought to be | so call it | must be | should be | should become \
         | becomes | in | as | into | so it says | to say instead | so that it says | and make it | make it \
         | instead of that to | to just | to be called | to something like | to say | to read | to be | to",
    ),
    ("in-list", "(on|in) <the-list>"),
    ("see-if", "(<show> [me]|check [to see]|look [to see]|find out|confirm|verify|see|make sure) (if|whether|that)"),
    (
        "named",
        "about | regarding | [that is] (called|named|titled|labeled|labelled|saying|reading|that says|which says|that reads|with the (title|name|content|text))",
    ),
    ("naming", "[and] (that is|it is|namely) | to | for me to | for | <named> | about | of | that | which is"),
    // States.
    (
        "open",
        "open | pending | unfinished | remaining | incomplete | outstanding | active | undone | uncompleted | current | unchecked | not (done|finished|completed) [yet] | left [over]",
    ),
    ("closed", "closed | completed | finished | done | complete | accomplished | checked [off] | ticked [off]"),
    (
        "everything",
        "everything | all | all of (it|them) | them all | them | both [of them] | every (task|item|thing|one|to do) | each (task|item|one) | [all] [of] [the|my|our] [<open>|<closed>|old|other] (<kinds>|ones) | all [of] [the|my|our] groceries | [all] [of] <det> [whole|entire|full|complete] (list|to do list|task list|shopping list|grocery list)",
    ),
    // What another program looks after.
    (
        "elsewhere",
        "alarm | alarms | timer | timers | stopwatch | reservation | reservations | booking | flight | hotel | ride | taxi \
         | song | songs | music | playlist | playlists | album | radio | podcast | channel | recording \
         | light | lights | lamp | tv | thermostat | volume | brightness | heating | screen \
         | calendar | contacts | phone book | address book | events | subscription | purchase | payment | transaction | account | password | language | mode \
         | voicemail | voicemails | texts | notification | notifications | app | apps | cookies | cache | browser | tab | tabs \
         | movie | episode | wallpaper | battery \
         | tweet | tweets | station | stations | bookmark | bookmarks | weather | forecast | temperature | news | emails | inbox | messages | settings | bluetooth | wifi \
         | conversation | chat | history",
    ),
    // What may be a task and may be something of another program: without a word about the list, it is asked.
    (
        "doubtful",
        "meeting | meetings | event | email | message | order | card | file | files | folder | photo \
         | photos | picture | video | post | contact | document | ticket | log | logs | address | number | plan | bill | account | profile",
    ),
    (
        "container",
        "playlist | playlists | contacts | calendar | cart | phone book | address book | library | favorites | queue | spreadsheet | document \
         | order | card | account | wallet | folder | album | message | email | conversation | group chat | route | recipe \
         | (mailing|waiting|guest|contact|contacts|friend|friends|block|blocked|email|dvr|phone) list",
    ),
    // What begins a clause rather than the name of a task.
    (
        "clause",
        "for | with | about | from | i | you | we | he | she | they | it | what | when | where | why | who | how | which | if | is | are | was | were | do | does | did \
         | can | could | will | would | should | not | never | nobody | nothing | because | so | but",
    ),
    ("aside", "at | on | for | from | in | of | to | that | this | i | which | with | by"),
    // A command about what was just said: "milk is bad, take it off".
    ("it", "<pron> [one|task|item] | that task | that item | both"),
    (
        "add-it",
        "(could|can|should) <it> go <to-list> | [so|and] [<lead>] (mark|put|note|write) <it> down as (something|a thing) to do | [so|and] [can you|could you|will you] [<lead>] (make|turn) <it> (a|into a|as a) <kind> | [so|and] [can you|could you|will you] [<lead>] (<add>|list|put|pop|stick|toss|throw|save|jot|note|write|chuck|shove|get|have) <it> [<to-place>] [for me] [as a <kind>] [for {rest}]",
    ),
    (
        "tick-it",
        "[so|and] [<lead>] mark as <done> | [so|and] [<lead>] (tick|check|cross|mark|close) (off|out) <it> | [so|and] [<lead>] (tick|check|cross|mark|strike|scratch|close|call|consider) <it> [off|out|as|down] [<done>] [<from-list>] | so you can <check-off> | [so|and] <it> can [now|also] be (ticked|checked|crossed|marked|closed) [off|out|as] [<done>] [<from-list>]",
    ),
    ("record-that", "(mark|record) [down] that"),
    (
        "so-done",
        "[so|and] [now] [you know] <it> (is|are) [all|now] (done|finished|complete|completed|finished with|sorted|done with)",
    ),
    ("strike-it", "[so|and] [<lead>] (strike|cross|scratch) <it> [off|out] [of] [<from-list>]"),
    (
        "delete-it",
        "[so|and] i want <it> gone | [so|and] [<lead>] (<delete>|<drop>|take|get) <it> [off|out|away|down] [of] [<from-list>] | [so|and] [<lead>] (<delete>|<drop>|take) <from-list> | [so|and] <it> can [now] (go|come off|be <deleted>) [<from-list>]",
    ),
];
