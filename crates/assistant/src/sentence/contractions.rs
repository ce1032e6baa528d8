//! Words that are written as one and are two, and shorthand: all of it as the grammar knows it.

use domain::text::NormalizedText;

/// Ways to write two words as one without an apostrophe.
const RUN_TOGETHER: &[(&str, &[&str])] = &[
    ("b4", &["before"]),
    ("cn", &["can"]),
    ("cos", &["because"]),
    ("couldnt", &["could", "not"]),
    ("coz", &["because"]),
    ("cuz", &["because"]),
    ("del", &["delete"]),
    ("dunno", &["do", "not", "know"]),
    ("evrything", &["everything"]),
    ("hadnt", &["had", "not"]),
    ("hasnt", &["has", "not"]),
    ("hes", &["he", "is"]),
    ("hv", &["have"]),
    ("imma", &["i", "am", "going", "to"]),
    ("nvm", &["never", "mind"]),
    ("rm", &["remove"]),
    ("rmbr", &["remember"]),
    ("shd", &["should"]),
    ("shld", &["should"]),
    ("shouldnt", &["should", "not"]),
    ("smth", &["something"]),
    ("sth", &["something"]),
    ("theyre", &["they", "are"]),
    ("theyve", &["they", "have"]),
    ("wasnt", &["was", "not"]),
    ("weve", &["we", "have"]),
    ("wkend", &["weekend"]),
    ("wouldnt", &["would", "not"]),
    ("yh", &["yeah"]),
    ("youre", &["you", "are"]),
    ("youve", &["you", "have"]),
    ("abt", &["about"]),
    ("arent", &["are", "not"]),
    ("cannot", &["can", "not"]),
    ("cant", &["can", "not"]),
    ("didnt", &["did", "not"]),
    ("doesnt", &["does", "not"]),
    ("do's", &["dos"]),
    ("dont", &["do", "not"]),
    ("gimme", &["give", "me"]),
    ("gonna", &["going", "to"]),
    ("gotta", &["have", "got", "to"]),
    ("havent", &["have", "not"]),
    ("hows", &["how", "is"]),
    ("im", &["i", "am"]),
    ("isnt", &["is", "not"]),
    ("ive", &["i", "have"]),
    ("lemme", &["let", "me"]),
    ("lets", &["let", "us"]),
    ("lst", &["list"]),
    ("shes", &["she", "is"]),
    ("teh", &["the"]),
    ("thats", &["that", "is"]),
    ("theres", &["there", "is"]),
    ("tmrw", &["tomorrow"]),
    ("todo", &["to", "do"]),
    ("todos", &["to", "dos"]),
    ("u", &["you"]),
    ("ur", &["your"]),
    ("wanna", &["want", "to"]),
    ("wat", &["what"]),
    ("wats", &["what", "is"]),
    ("whats", &["what", "is"]),
    ("wheres", &["where", "is"]),
    ("wont", &["will", "not"]),
    ("wut", &["what"]),
    ("ya", &["you"]),
];

/// What an apostrophe and the letters behind it stand for. `'s` is not among them: see [`IS_HOSTS`].
const ENDINGS: &[(&str, &str)] =
    &[("n't", "not"), ("'m", "am"), ("'re", "are"), ("'ve", "have"), ("'ll", "will"), ("'d", "would")];

/// The words behind which `'s` is "is" and not a possessive.
pub(super) const IS_HOSTS: &[&str] =
    &["everything", "he", "here", "how", "it", "one", "she", "that", "there", "what", "where", "who"];

/// The words that a piece of text is: folded, contractions written out.
pub(super) fn words_of(piece: &str) -> Vec<String> {
    let word = NormalizedText::new(piece).as_str().replace(['’', 'ʼ', '‘', '´'], "'");
    if let Some((_, words)) = RUN_TOGETHER.iter().find(|(written, _)| *written == word) {
        return words.iter().map(|&w| w.to_owned()).collect();
    }
    match word.as_str() {
        "can't" => return vec!["can".to_owned(), "not".to_owned()],
        "won't" => return vec!["will".to_owned(), "not".to_owned()],
        "let's" => return vec!["let".to_owned(), "us".to_owned()],
        _ => {}
    }
    if let Some(host) = word.strip_suffix("'s").filter(|host| IS_HOSTS.contains(host)) {
        return vec![host.to_owned(), "is".to_owned()];
    }
    for (ending, meaning) in ENDINGS {
        if let Some(host) = word.strip_suffix(ending).filter(|host| !host.is_empty()) {
            return vec![host.to_owned(), (*meaning).to_owned()];
        }
    }
    vec![word]
}
