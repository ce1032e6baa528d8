//! The whole grammar: soundness, ambiguity, cost.

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::*;

#[test]
fn every_line_of_the_tables_can_be_read() {
    if let Err(error) = Grammar::compile() {
        panic!("{error}");
    }
}

/// Nothing is done by guess: where two commands explain a sentence equally well, a line of the tables is too wide.
#[test]
fn no_sentence_is_claimed_by_two_commands_alike() {
    use Intent::{Add, Complete, Delete, Rename};
    let words = vec![
        "add", "put", "mark", "complete", "delete", "remove", "rename", "change", "take", "cross", "strike", "check",
        "set", "call", "replace", "remind", "milk", "the", "second", "task", "list", "my", "to", "as", "done", "off",
        "out", "from", "on", "it", "with", "is", "should", "be", "need", "finished", "title", "of", "and",
    ];
    let jumble = proptest::collection::vec(proptest::sample::select(words), 2..7);
    let mut runner = TestRunner::deterministic();
    let claims = |reading: &Reading| {
        reading.is_sure() && !reading.is_complete() && [Add, Complete, Delete, Rename].contains(&reading.intent())
    };
    for _ in 0..3000 {
        let text = jumble.new_tree(&mut runner).unwrap().current().join(" ");
        let message = GRAMMAR.message(Sentence::read(&text), &Budget::default());
        let readings = GRAMMAR.readings(&message, message.sentence.all());
        let Some(best) = readings.first().filter(|best| claims(best)) else { continue };
        let rival = readings.iter().find(|other| claims(other) && other.intent() != best.intent());
        let rival = rival.filter(|rival| rival.score == best.score).map(|rival| rival.frame.line);
        assert_eq!(rival, None, "'{text}' is also read by '{}'", best.frame.line);
    }
}

#[test]
fn every_line_is_the_best_reading_of_a_sentence_of_the_test_table() {
    let table = include_str!("../../tests/assistant/sentences.txt");
    let mut unused: Vec<&str> = GRAMMAR.frames.iter().map(|frame| frame.info.line).collect();
    for (text, _) in table.lines().filter_map(|row| row.split_once(" => ")) {
        let message = GRAMMAR.message(Sentence::read(text), &Budget::default());
        for part in crate::dialogue::parts_of(&message).unwrap_or_default() {
            let line = part.readings.first().map(|reading| reading.frame.line);
            unused.retain(|other| line != Some(*other));
        }
    }
    assert!(unused.is_empty(), "no sentence needs these lines:\n{}", unused.join("\n"));
}

#[test]
fn every_family_is_used() {
    let mut lines = String::new();
    for (table, _) in tables() {
        lines.extend(table.sure.iter().chain(table.unsure).copied());
    }
    lines.extend(phrases::ITEMS.iter().map(|(_, line)| *line));
    lines.extend(
        phrases::NO_TITLES.iter().chain(phrases::CHOOSING).chain(phrases::NAMING).chain(phrases::MENTIONS).copied(),
    );
    lines.extend(words::FAMILIES.iter().map(|(_, line)| *line));
    for (name, _) in words::FAMILIES {
        let used = ["lead", "loose-tail", "clause-behind", "elsewhere", "doubtful", "aside", "clause"].contains(name)
            || lines.contains(&format!("<{name}>"));
        assert!(used, "<{name}>");
    }
    let is_family = |name: &str| words::FAMILIES.iter().any(|(family, _)| *family == name);
    assert!(words::LIST_NAMES.iter().all(|name| is_family(name)));
    assert!(words::FEATURES.iter().all(|(name, _)| is_family(name)));
}

#[test]
fn all_words_of_the_tables_are_in_the_form_that_sentences_are_read_into() {
    fn words(pattern: &Pattern, found: &mut Vec<String>) {
        match pattern {
            Pattern::Word(word) => found.push(word.clone()),
            Pattern::Sequence(parts) | Pattern::Choice(parts) => parts.iter().for_each(|part| words(part, found)),
            Pattern::Optional(inner) => words(inner, found),
            Pattern::Family(_) | Pattern::Slot(_) | Pattern::Wild => {}
        }
    }
    let mut found = Vec::new();
    for line in words::FAMILIES.iter().map(|(_, line)| line) {
        words(&parse(line).unwrap(), &mut found);
    }
    for (table, _) in tables() {
        for line in table.sure.iter().chain(table.unsure) {
            words(&parse(line).unwrap(), &mut found);
        }
    }
    for word in found {
        let sentence = Sentence::read(&word);
        let read: Vec<_> = sentence.tokens().iter().map(|token| token.word.as_str()).collect();
        assert_eq!(read, [word.as_str()]);
    }
}
