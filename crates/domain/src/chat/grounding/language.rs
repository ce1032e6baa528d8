//! What a language has to say claims with, and how a sentence is judged by it.
//!
//! Deliberately not here: the words (`english.rs` and the files beside it).

use super::super::words::{Phrase, Span};
use super::sentence::{Clause, Sentence};
use crate::text::Folded;

/// The table of a language. The phrases are written as [`Phrase`] says; a list of words has `|` between them.
#[derive(Debug)]
pub(super) struct Language {
    /// Alternatives with a name, for the phrases. A later one may not use an earlier one.
    pub classes: &'static [(&'static str, &'static str)],
    /// Words that part clauses.
    pub joints: &'static str,
    /// How a sentence begins that asks or offers, whatever follows.
    pub asks: &'static [&'static str],
    /// What says nothing and is left out before a clause is judged.
    pub idle: &'static [&'static str],
    /// What makes a clause harmless, whatever else is in it.
    pub harmless: &'static [&'static str],
    /// What denies the rest of a clause, and the clauses behind it unless they have a subject of their own.
    pub denials: &'static str,
    /// The same for what may be, will be or should be. The speaker's own "I have added" is a claim all the same.
    pub modals: &'static str,
    /// What makes the rest of the sentence hold in a certain case only.
    pub conditions: &'static str,
    /// Words of another time. A clause with one of them says nothing of now.
    pub past: &'static str,
    /// The same for what came about without the speaker: "already".
    pub already: &'static str,
    /// What turns a claim into its contrary right behind it: "I changed nothing".
    pub nothing: &'static str,
    /// How a clause with a subject of its own begins.
    pub subjects: &'static str,
    /// Claims in the first person.
    pub own: &'static [&'static str],
    /// Claims about what has happened to a task.
    pub told: &'static [&'static str],
    /// Claims without a subject or an auxiliary verb, which are so short that they need a closer look.
    pub bare: &'static [&'static str],
    /// What makes something else of a bare claim, before or behind it.
    pub bare_not: &'static str,
    /// What may be a claim or a state. It is none in a list, behind "yes" or behind a number.
    pub state: &'static [&'static str],
    /// The same in so few words that it is a claim only where a sentence begins: "Done!", but not "milk – done".
    pub done: &'static [&'static str],
    /// "Yes", which makes an answer of what follows.
    pub yes: &'static str,
}

impl Language {
    /// Nothing yet.
    pub const NONE: Self = Self {
        classes: &[],
        joints: "",
        asks: &[],
        idle: &[],
        harmless: &[],
        denials: "",
        modals: "",
        conditions: "",
        past: "",
        already: "",
        nothing: "",
        subjects: "",
        own: &[],
        told: &[],
        bare: &[],
        bare_not: "",
        state: &[],
        done: &[],
        yes: "",
    };
}

/// A language, ready to judge.
#[derive(Debug)]
pub(super) struct Reader {
    joints: Vec<&'static str>,
    asks: Vec<Phrase>,
    idle: Vec<Phrase>,
    harmless: Vec<Phrase>,
    denials: Phrase,
    modals: Phrase,
    conditions: Phrase,
    past: Phrase,
    already: Phrase,
    nothing: Phrase,
    subjects: Phrase,
    own: Vec<Phrase>,
    told: Vec<Phrase>,
    bare: Vec<Phrase>,
    bare_not: Phrase,
    state: Vec<Phrase>,
    done: Vec<Phrase>,
    yes: Phrase,
}

/// What the clauses before say about the one at hand.
#[derive(Clone, Copy, Default)]
struct Before {
    said: Said,
    denied: bool,
    maybe: bool,
    conditional: bool,
}

/// How a sentence begins.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Said {
    #[default]
    Nothing,
    Something,
    Yes,
}

impl Reader {
    pub fn new(language: &Language) -> Self {
        let phrases = |writings: &[&str]| Phrase::read_all(writings, language.classes, fold);
        // Words that are in no list are found nowhere.
        let any_of =
            |words: &str| Phrase::read(if words.is_empty() { "<no-word>" } else { words }, language.classes, fold);
        Self {
            joints: language.joints.split('|').filter(|word| !word.is_empty()).collect(),
            asks: phrases(language.asks),
            idle: phrases(language.idle),
            harmless: phrases(language.harmless),
            denials: any_of(language.denials),
            modals: any_of(language.modals),
            conditions: any_of(language.conditions),
            past: any_of(language.past),
            already: any_of(language.already),
            nothing: any_of(language.nothing),
            subjects: any_of(language.subjects),
            own: phrases(language.own),
            told: phrases(language.told),
            bare: phrases(language.bare),
            bare_not: any_of(language.bare_not),
            state: phrases(language.state),
            done: phrases(language.done),
            yes: any_of(language.yes),
        }
    }

    /// Whether `sentence` claims a change.
    pub fn claims(&self, sentence: &Sentence) -> bool {
        let clauses = sentence.clauses(&self.joints);
        let begins_as_question =
            |clause: &Clause<'_>| self.asks.iter().any(|phrase| phrase.end(clause.span(), 0).is_some());
        if sentence.asks && clauses.iter().find(|clause| !self.is_idle(clause)).is_some_and(begins_as_question) {
            return false;
        }
        let mut before = Before::default();
        for clause in &clauses {
            if clause.is_asked {
                return false;
            }
            if self.clause_claims(clause, &mut before, sentence.is_item) {
                return true;
            }
        }
        false
    }

    fn is_idle(&self, clause: &Clause<'_>) -> bool {
        self.without_idle(clause.span()).is_empty()
    }

    fn without_idle<'w>(&self, span: Span<'w>) -> Vec<&'w str> {
        let mut kept = Vec::new();
        let mut at = 0;
        while at < span.words.len() {
            match self.idle.iter().filter_map(|phrase| phrase.end(span, at)).max() {
                Some(end) if end > at => at = end,
                _ => {
                    kept.push(span.words[at]);
                    at += 1;
                }
            }
        }
        kept
    }

    fn clause_claims(&self, clause: &Clause<'_>, before: &mut Before, is_item: bool) -> bool {
        let words = self.without_idle(clause.span());
        let span = Span { words: &words, ..clause.span() };
        let has = |phrase: &Phrase| phrase.find(span).is_some();
        if words.is_empty() {
            return false;
        }
        if self.subjects.end(span, 0).is_some() {
            (before.denied, before.maybe) = (false, false);
        }
        if self.yes.end(span, 0).is_some() {
            before.said = Said::Yes;
        }
        // What is said before the end of a claim, or in it, bears on it.
        let first = |phrase: &Phrase| phrase.places(span).map(|(_, end)| end).min();
        let [denial, condition, modal] = [&self.denials, &self.conditions, &self.modals].map(first);
        let is_free = |ends: Option<usize>, end: usize| ends.is_none_or(|ends| ends > end);
        let stands =
            |end: usize| is_free(denial, end) && is_free(condition, end) && self.nothing.end(span, end).is_none();
        let spoken_of_now = !has(&self.already) && !before.maybe;
        let number = words.iter().position(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let any = |phrases: &[Phrase], and: &dyn Fn((usize, usize)) -> bool| {
            phrases.iter().any(|phrase| phrase.places(span).any(|place| stands(place.1) && and(place)))
        };
        let is_told = |(_, end): (usize, usize)| spoken_of_now && is_free(modal, end);
        let is_news = |place: (usize, usize)| is_told(place) && !is_item && before.said != Said::Yes;
        let harmless = self.harmless.iter().any(has) || has(&self.past) || before.denied || before.conditional;
        let claims = !harmless
            && (any(&self.own, &|_| true)
                || any(&self.told, &is_told)
                || !has(&self.bare_not) && any(&self.bare, &is_told)
                || any(&self.state, &|place| is_news(place) && number.is_none_or(|number| number >= place.0))
                || before.said == Said::Nothing && any(&self.done, &is_news));
        if before.said == Said::Nothing {
            before.said = Said::Something;
        }
        before.denied |= denial.is_some();
        before.maybe |= modal.is_some();
        before.conditional |= condition.is_some();
        claims
    }
}

fn fold(text: &str) -> String {
    Folded::new(text).as_str().to_owned()
}
