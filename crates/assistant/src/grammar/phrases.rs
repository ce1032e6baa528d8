//! How people point at a task, and how they answer a question: the grammar of what stands in a frame's slots.
//!
//! A line covers the whole phrase; the one that explains the most words wins.

use super::reading::Phrase;

/// What an `{item}` may be; among equals the first. A phrase that is none of these is a name as it stands.
pub(super) const ITEMS: &[(Phrase, &str)] = &[
    (Phrase::Unsaid, "one [please]"),
    (Phrase::Unsaid, "(one|some|any) of (them|em|those|these|[<det>] <kinds>)"),
    (Phrase::It, "it | that | this | this one | that one | the same | the same one | the one | this too | that too"),
    (Phrase::It, "(this|that|the same) <kind>"),
    (Phrase::It, "(it|that|this) <on-list>"),
    (Phrase::It, "the one [i|you|we] [have] [just] (added|created|mentioned|showed|renamed|talked about)"),
    (
        Phrase::Position,
        "[<det>] [<kind>] [number|no|nr|position|at position] {number} [<kind>|one|thing] [<when>] [<on-list>]",
    ),
    (Phrase::Position, "[<det>] {number} one on <list>"),
    (Phrase::First, "[<det>] (top|topmost|uppermost) [<kind>|one|thing] [<on-list>]"),
    (Phrase::First, "[<det>] [<kind>|one|thing] at the (top|beginning|start) [of <list>]"),
    (Phrase::Last, "[<det>] [<kind>|one|thing] at the (bottom|end) [of <list>]"),
    (Phrase::Position, "[<det>] {number} [<kind>|one] (from the top|down) [<on-list>]"),
    (Phrase::Last, "[<det>] [very] (last|final|bottom|bottommost) [<kind>|one|thing] [<on-list>]"),
    (Phrase::Unsaid, "[<a>] [<kind>|something|anything]"),
    (Phrase::Unsaid, "<on-list>"),
    (
        Phrase::It,
        "[<det>] (last|latest|newest) (thing|one|task|item) [that] (i|we|you) [have] [just] (added|put|wrote|saved) [down] [<on-list>]",
    ),
    (Phrase::Unsaid, "[<det>] (most recent|newest|latest|oldest) [<kind>|one|thing] [<on-list>]"),
    (Phrase::Several, "<everything>"),
    (Phrase::Several, "(except|but|besides|without|apart from|other than) [for] {rest}"),
    (
        Phrase::Several,
        "([all] the rest|the others|the other <kinds>|the remaining [ones|<kinds>]) [of (them|it|<list>)]",
    ),
    (Phrase::Several, "[<det>] (<open>|<closed>) (<kinds>|ones)"),
    (Phrase::Last, "[<det>] [very] (last|final) [<kind>|one|thing] (listed|shown|there|on there)"),
    (Phrase::Several, "<everything> (except|but|besides|without|minus|apart from|other than) [for] {rest}"),
    (
        Phrase::Several,
        "(them|these|those) [<kinds>|ones] | (two|three|four|five|several|many|some|both) [of] [<det>] (<kinds>|them|ones)",
    ),
    (Phrase::Several, "[<det>] (first|last) {number} [<open>|<closed>] [<kinds>|ones]"),
    (Phrase::NamedTask, "[<a>|<det>] <kind> (on|of|concerning|regarding|about|for|with) [<det>] {item}"),
    (Phrase::Position, "[<det>] very {number} [<kind>|one] [<on-list>]"),
    (Phrase::Name, "[<a>|<det>] {item}"),
    (Phrase::NamedTask, "[<a>|<det>] <kind> [that] [<named> [the|my|our]] {item}"),
    (
        Phrase::NamedTask,
        "[<a>|<det>] {item} (task|item|entry|to do|reminder|chore|errand|thing|note) [(for|on|at|of) (today|tomorrow|tonight|<weekday>)]",
    ),
    (Phrase::NamedTask, "(<a>|<det>) {item} <kind>"),
    (Phrase::NamedTask, "[<a>|<det>] (reminder|note|task|to do|item|entry) (to|for|about|of|that) {item}"),
    (Phrase::Name, "[<a>|<det>] {item} one"),
    (Phrase::NamedTask, "[<a>|<det>] one <named> [the|my|our] {item}"),
];

/// What a `{title}` may be that is no title: it has still to be asked for.
pub(super) const NO_TITLES: &[&str] = &[
    "[<a>] [new] (<kind>|<kinds>|it|this|that|these|those|the following|something [new|else]|anything|another [one]|one|one more|more [<kinds>|stuff]|some more|stuff|them)",
    "(this|that) (one|<kind>) [also|too]",
    "[it|that|this] later",
    "add",
    "<to-list>",
    "(it|that|this|those|them) (for|on|by|before|until) {rest}",
    "a (list|new list)",
    "[<a>] [new] [<kind>|<kinds>] <to-list>",
];

/// What is said of a thing before a command about it: "I'm out of milk, add it to the list".
pub(super) const MENTIONS: &[&str] = &[
    "[<lead>] <need> {item} [now|right now|again]",
    "[<lead>] (i|we) [really|also|still] (need|have|want|ought|have got|got|would like) to {item}",
    "[<lead>] (i|we) [really|also|still] (should|must) [really|also] {item}",
    "[<lead>] (i|we) forgot [to (add|put|buy|get)] {item}",
    "[<lead>] (i|we) (have [already|just]|already|just) {item}",
    "[<lead>] (just|already) {item}",
    "[<lead>] [i|we] [have] [just|already|finally] (<finished>|<did-verb>) {item}",
    "[<lead>] (i|we) (wrote|put|added|typed) {item} [wrong|by mistake]",
    "[<lead>] (someone|somebody|i|we|you) [really] (needs to|need to|should|has to|have to|must|keep forgetting to|keep meaning to|forgot to|better|had better) {item}",
    "[<lead>] (i|we) owe {item}",
    "[<lead>] (i|we) (promised|told|said to) [<det>] {*} [that] (i would|i will|we would|we will|to) {item}",
    "[<lead>] (i|we) [have] decided (against|not to [buy|get|do]) {item}",
    "[<lead>] (someone|somebody|nobody|dad|mom|mum) [else] (is|has|will) {*} {item}",
    "[<lead>] (i|we) added {item} (by mistake|accidentally|by accident|twice)",
    "[<lead>] (i am|we are) supposed to {item}",
    "[<lead>] [<wish>] remember to {item}",
    "[<lead>] <list> (does not need|should not have) {item} [on it|in it] [<any-more>]",
    "[<lead>] never mind about {item}",
    "[<lead>] (i|we) (will|am|are) not [be] [going to] [need|needing|buy|buying|get|getting] {item} [<any-more>]",
    "[<lead>] let us not {item} [<any-more>]",
    "[<lead>] <unneeded> {item} [<any-more>]",
    "[<lead>] [there is] no need (to|for|for me to|for us to) {item} [<any-more>]",
    "[<lead>] (i|we) changed (my|our) (mind|minds) about {item}",
    "[<lead>] <had> {item} [already|today|yesterday]",
    "[<lead>] <did> {item} [already|today|yesterday]",
    "[<lead>] i (am|have) [all] (done|finished|through) [with] {item}",
    "[<lead>] [i] [have] [just] got done [with] {item}",
    "[<lead>] {item} (is|are|was|were|has been|have been|got|has|have) [all|now|finally] (gone|empty|done|finished|out|low|{rest})",
    "[<lead>] {item} [is|are|was|were|has been|have been] <done>",
];

/// The words around the answer to "Which one?".
pub(super) const CHOOSING: &[&str] = &[
    "{item}",
    "[no] (i (mean|meant|choose|want|would like|was talking about)|make it|let us (say|take)|take|it is|it was|that would be|with) {item}",
];

/// The words around the answer to "What should it be called?".
pub(super) const NAMING: &[&str] =
    &["{item}", "[no] (call it|name it|it should (be|say)|let us call it|rename it to|change it to) {item}"];
