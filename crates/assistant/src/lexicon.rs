//! Classes of words that decide between readings: what the grammar's tables cannot say as patterns.

/// A set of words in the form that [`Token::word`](super::sentence::Token) has.
#[derive(Clone, Copy, Debug)]
pub(super) struct WordClass(&'static [&'static str]);

impl WordClass {
    /// Whether `word` is in the class.
    pub fn contains(self, word: &str) -> bool {
        self.0.contains(&word)
    }
}

/// Joins two commands.
pub(super) const CONJUNCTIONS: WordClass = WordClass(&["and", "then", "also", "plus", "&", "but", "so"]);
/// Joins two things of a list.
pub(super) const LIST_CONJUNCTIONS: WordClass = WordClass(&["and", "&", "plus"]);
/// Joins and adds, behind a list: "milk, eggs and also bread".
pub(super) const ADDITIVES: WordClass = WordClass(&["also", "then", "some"]);
/// Stands for something that was named before.
pub(super) const PRONOUNS: WordClass = WordClass(&["it", "that", "them", "these", "this", "those"]);
/// Stands for a person, who is no task: "drop me a line".
pub(super) const PERSONS: WordClass =
    WordClass(&["me", "us", "you", "him", "her", "myself", "yourself", "everyone", "everybody"]);
/// The speaker.
pub(super) const SPEAKERS: WordClass = WordClass(&["i", "we"]);
/// Stands for somebody or something as the subject of a clause.
pub(super) const SUBJECTS: WordClass = WordClass(&["i", "we", "he", "she", "they", "it"]);
/// Begins the name of somebody: "his dad is doing it".
pub(super) const THIRD_PERSONS: WordClass =
    WordClass(&["his", "her", "their", "someone", "somebody", "nobody", "everyone", "everybody"]);
/// Stands before a noun.
pub(super) const DETERMINERS: WordClass = WordClass(&[
    "a", "an", "the", "my", "our", "his", "her", "their", "your", "some", "this", "that", "these", "those",
]);
/// Negates a clause.
pub(super) const NEGATIONS: WordClass = WordClass(&["not", "never"]);
/// Makes a command depend on something that is not checked here.
pub(super) const CONDITIONS: WordClass = WordClass(&["after", "before", "if", "once", "unless", "until", "when"]);
/// Makes a command doubtful, as the first word.
pub(super) const HEDGES: WordClass = WordClass(&[
    "almost",
    "avoid",
    "define",
    "hypothetically",
    "maybe",
    "nearly",
    "perhaps",
    "possibly",
    "quit",
    "quote",
    "seldom",
    "someday",
    "spell",
]);
/// Goes on with a condition or a question behind a name: "milk if I wanted to".
pub(super) const WONDERS: WordClass = WordClass(&["how", "if", "should", "unless", "what", "why"]);
/// Begins a question.
pub(super) const QUESTIONS: WordClass = WordClass(&[
    "are", "can", "could", "did", "do", "does", "how", "is", "should", "what", "when", "where", "which", "who", "why",
]);
/// Takes tasks out of a set.
pub(super) const EXCEPTIONS: WordClass =
    WordClass(&["except", "excluding", "but", "besides", "without", "minus", "apart", "other", "save"]);
/// Means the whole of a set.
pub(super) const UNIVERSALS: WordClass = WordClass(&["all", "everything", "every", "each"]);
/// Means completed tasks.
pub(super) const COMPLETED: WordClass =
    WordClass(&["completed", "finished", "done", "complete", "closed", "accomplished", "checked", "ticked"]);
/// Means pending tasks.
pub(super) const PENDING: WordClass =
    WordClass(&["open", "pending", "unfinished", "remaining", "incomplete", "outstanding", "left"]);
/// Agrees, and says nothing else.
pub(super) const YES: WordClass = WordClass(&["yes", "yeah", "yep", "yup", "sure"]);
/// Begins an answer that agrees: "yes, delete them".
pub(super) const AFFIRMATIVES: WordClass =
    WordClass(&["yes", "yeah", "yep", "yup", "sure", "ok", "okay", "please", "correct", "right"]);
/// Stands for the tasks that a question has named.
pub(super) const QUESTION_TARGETS: WordClass =
    WordClass(&["it", "that", "them", "these", "those", "this", "all", "both", "of"]);
/// Verbs that, with a pronoun behind them, speak of what was named before.
pub(super) const POINTING_VERBS: WordClass = WordClass(&[
    "add", "check", "cross", "delete", "include", "mark", "place", "put", "remove", "scratch", "take", "tick", "write",
]);
/// Stands before a pointing verb.
pub(super) const POLITE: WordClass = WordClass(&["ahead", "and", "can", "could", "go", "just", "please", "you"]);
/// Begins a clause of its own behind a comma.
pub(super) const CLAUSE_OPENERS: WordClass =
    WordClass(&["so", "but", "please", "can", "could", "you", "i", "we", "how", "why"]);
/// Sounds that people make while they think. They belong to nothing.
pub(super) const FILLERS: WordClass =
    WordClass(&["uh", "um", "umm", "uhh", "uhm", "er", "erm", "hmm", "hm", "mmm", "ah"]);
/// Days and months: a comma before one belongs to a date.
pub(super) const DAYS_AND_MONTHS: WordClass = WordClass(&[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "today",
    "tomorrow",
    "tonight",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]);
/// Verbs of errands: a title that begins with one is a deed and no thing.
pub(super) const ERRANDS: WordClass = WordClass(&[
    "ask", "book", "bring", "buy", "call", "clean", "cook", "email", "feed", "find", "finish", "fix", "get", "give",
    "go", "hang", "invite", "make", "meet", "mow", "order", "pack", "paint", "pay", "pick", "prepare", "print", "read",
    "renew", "return", "schedule", "send", "start", "study", "take", "tell", "text", "thank", "vacuum", "visit",
    "walk", "wash", "water", "write",
]);
/// Stands between positions that are named one by one.
pub(super) const POSITION_WORDS: WordClass =
    WordClass(&["and", "entry", "item", "items", "number", "numbers", "ones", "task", "tasks", "the"]);
/// Never begins a part of a list: it belongs to the part before.
pub(super) const NEVER_LISTED: WordClass = WordClass(&[
    "about", "actually", "no", "oops", "sorry", "wait", "after", "as", "at", "because", "before", "but", "by", "for",
    "from", "if", "in", "on", "or", "please", "so", "then", "to", "when", "which", "who", "with",
]);
/// Never covered by `{*}`: it begins another phrase.
pub(super) const NEVER_WILD: WordClass = WordClass(&[
    "", "a", "about", "an", "and", "at", "by", "do", "for", "from", "i", "if", "in", "is", "it", "my", "of", "off",
    "on", "or", "our", "that", "the", "this", "to", "with", "your",
]);
/// Means the tasks that were shown and not changed since.
pub(super) const REMAINDERS: WordClass = WordClass(&["rest", "remaining", "others"]);
/// Means both of two.
pub(super) const DUALS: WordClass = WordClass(&["both"]);
/// Stands between the first and the last position of a range.
pub(super) const RANGES: WordClass = WordClass(&["to", "through", "thru", "until", "till"]);
/// Pairs that are one thing although "and" joins them: the words before and behind it.
pub(super) const COMPOUNDS: &[(&str, &str)] = &[
    ("mac", "cheese"),
    ("salt", "pepper"),
    ("bread", "butter"),
    ("fish", "chips"),
    ("jelly", "butter"),
    ("butter", "jelly"),
    ("gin", "tonic"),
    ("rice", "beans"),
    ("ham", "cheese"),
    ("bacon", "eggs"),
    ("burger", "fries"),
    ("nuts", "bolts"),
    ("bed", "breakfast"),
    ("drag", "drop"),
    ("research", "development"),
    ("profit", "loss"),
    ("terms", "conditions"),
    ("pros", "cons"),
    ("lost", "found"),
    ("black", "white"),
    ("pen", "paper"),
    ("needle", "thread"),
    ("mom", "dad"),
    ("mum", "dad"),
];
/// Announces an enumeration behind a colon: "these things: soap, towels".
pub(super) const ANNOUNCEMENTS: WordClass =
    WordClass(&["things", "items", "tasks", "these", "following", "groceries", "stuff", "dos"]);
/// Answers that something is one.
pub(super) const SINGULARS: WordClass = WordClass(&["one", "single", "together", "1", "same"]);
/// Answers that something is several.
pub(super) const PLURALS: WordClass =
    WordClass(&["two", "2", "separate", "separately", "both", "several", "different", "split", "each"]);
/// Begins a question, when a title was asked for.
pub(super) const QUESTION_OPENERS: WordClass =
    WordClass(&["are", "did", "do", "does", "how", "is", "what", "when", "where", "which", "who", "why"]);
/// Follows "is": "the laundry's done".
pub(super) const STATES: WordClass = WordClass(&[
    "been", "complete", "done", "finally", "finished", "gone", "in", "off", "on", "out", "over", "paid", "ready",
    "sent", "all", "now", "built", "cut", "made",
]);
/// Begins no name in front of a command.
pub(super) const NEVER_SUBJECTS: WordClass = WordClass(&[
    "i", "we", "you", "he", "she", "they", "it", "that", "this", "there", "if", "when", "unless", "please", "can",
    "could", "would", "should", "will", "do", "did", "does", "is", "are", "was", "not", "never", "no", "yes", "maybe",
    "how", "what", "why", "who", "where", "which", "have", "has", "add", "put", "make", "mark", "change", "replace",
    "rename", "remind", "show", "note", "just", "already", "tick", "so", "and", "or", "but", "also", "ok", "okay",
    "hey",
]);
/// Corrects what was said before a comma.
pub(super) const CORRECTIONS: WordClass = WordClass(&["no", "wait", "sorry", "actually", "oops", "i", "not", "rather"]);
/// Counts from the beginning of a list: "the first two".
pub(super) const FIRSTS: WordClass = WordClass(&["first", "top"]);
/// Counts from the end of a list: "the last two".
pub(super) const LASTS: WordClass = WordClass(&["last", "bottom"]);
/// Stands anywhere in a sentence and changes nothing.
pub(super) const SKIPPABLE: WordClass =
    WordClass(&["please", "pls", "plz", "kindly", "just", "also", "actually", "really", "simply", "quickly"]);
/// Belongs to a day or a time.
pub(super) const TIMES: WordClass = WordClass(&[
    "am",
    "pm",
    "at",
    "on",
    "next",
    "this",
    "noon",
    "midnight",
    "morning",
    "afternoon",
    "evening",
    "night",
    "week",
    "weekend",
    "month",
    "o'clock",
    "oclock",
    "the",
    "of",
    "th",
]);
/// Continues an enumeration in a part of its own: "..., and also bread".
pub(super) const CONTINUATIONS: WordClass = WordClass(&["and", "also", "plus", "then", "&"]);
/// Stands for any task: "is there anything I have not done?"
pub(super) const INDEFINITES: WordClass = WordClass(&["anything", "everything", "something", "there", "any", "pick"]);
/// Names the list.
pub(super) const LIST_WORDS: WordClass = WordClass(&["list", "tasks", "reminders", "done", "finished"]);
/// Begins no name of a task: an adverbial or a clause.
pub(super) const NEVER_NAMES: WordClass = WordClass(&[
    "on",
    "of",
    "about",
    "with",
    "concerning",
    "as",
    "since",
    "today",
    "now",
    "and",
    "guess",
    "good",
    "because",
    "although",
    "while",
    "so",
    "then",
    "w",
    "someone",
    "somebody",
    "nobody",
    "everyone",
    "changed",
    "mind",
    "back",
]);
/// Joins a subject to what is said of it.
pub(super) const COPULAS: WordClass = WordClass(&["is", "are", "was", "were", "will", "has", "have"]);
/// Stands before the two ends of a range.
pub(super) const RANGE_WORDS: WordClass = WordClass(&["between"]);
/// A verb of a statement.
pub(super) const FINITE_VERBS: WordClass = WordClass(&[
    "went", "came", "arrived", "has", "have", "had", "is", "are", "was", "were", "did", "does", "said", "says",
    "fixed", "bought", "repaired", "works", "had", "died", "got", "already",
]);
/// Ends with a full stop inside a sentence: "Dr. Smith".
pub(super) const ABBREVIATIONS: WordClass = WordClass(&[
    "dr", "mr", "mrs", "ms", "st", "no", "nr", "vs", "v", "etc", "eg", "ie", "jr", "sr", "prof", "approx", "appt",
    "dept", "mt", "rd", "ave", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "mon", "tue", "tues", "wed", "thu", "thurs", "fri", "sat", "sun", "p.m", "a.m", "ed", "vol", "pp", "fig",
]);
/// Speaks of a new task, in a label before a colon.
pub(super) const LABELS: WordClass = WordClass(&[
    "one",
    "new",
    "task",
    "tasks",
    "another",
    "else",
    "note",
    "list",
    "add",
    "item",
    "thing",
    "remember",
    "reminder",
    "idea",
    "written",
    "todo",
    "need",
    "also",
    "next",
    "something",
    "capture",
    "save",
    "log",
    "record",
    "jot",
    "put",
]);
/// Measures time.
pub(super) const UNITS_OF_TIME: WordClass = WordClass(&[
    "minute",
    "minutes",
    "hour",
    "hours",
    "day",
    "days",
    "week",
    "weeks",
    "weekend",
    "month",
    "months",
    "year",
    "morning",
    "afternoon",
    "evening",
    "night",
    "noon",
    "midnight",
    "am",
    "pm",
]);
