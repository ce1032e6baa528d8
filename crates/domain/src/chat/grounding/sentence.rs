//! A text as sentences, and a sentence as clauses.
//!
//! Deliberately not here: what they say.

use super::super::words::{Span, Token, tokens};
use super::blanks::bullet;

/// A sentence: the words up to a full stop, a question or exclamation mark, or the end of the line.
#[derive(Debug)]
pub(super) struct Sentence {
    tokens: Vec<Token>,
    /// Whether it is a question.
    pub asks: bool,
    /// Whether it begins an item of a list.
    pub is_item: bool,
    /// Whether it is the text's last one.
    is_last: bool,
}

/// Words of a sentence without a mark or a joint between them.
#[derive(Debug)]
pub(super) struct Clause<'s> {
    words: Vec<&'s str>,
    /// Whether the clause is said, and is not a heading, a label or an item of a list.
    is_said: bool,
    /// Whether it is a part of what is asked.
    pub is_asked: bool,
}

impl Clause<'_> {
    pub fn span(&self) -> Span<'_> {
        Span { words: &self.words, is_said: self.is_said }
    }
}

/// The sentences of a folded and blanked text, the rows of tables left out.
pub(super) fn sentences(text: &str) -> Vec<Sentence> {
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.trim_start().starts_with('|')) {
        let bullet = bullet(line);
        let mut is_item = bullet > 0;
        let mut open = Vec::new();
        for token in tokens(&line[bullet..]) {
            let ends = matches!(token, Token::Mark('.' | '!' | '?' | '。' | '।' | '۔' | '؟' | '…'));
            let asks = matches!(token, Token::Mark('?' | '؟'));
            open.push(token);
            if ends {
                found.push(Sentence { tokens: std::mem::take(&mut open), asks, is_item, is_last: false });
                is_item = false;
            }
        }
        if !open.is_empty() {
            found.push(Sentence { tokens: open, asks: false, is_item, is_last: false });
        }
    }
    if let Some(last) = found.last_mut() {
        last.is_last = true;
    }
    found
}

impl Sentence {
    /// The clauses. `joints` are the words that part clauses as a comma does.
    pub fn clauses(&self, joints: &[&str]) -> Vec<Clause<'_>> {
        // A question is what follows the last comma or dash: "I deleted it, anything else?"
        let parts = |token: &Token| matches!(token, Token::Mark(',' | '-' | '–' | '—' | ':' | ';' | '、'));
        let asked_from = if self.asks { self.tokens.iter().rposition(parts).unwrap_or(0) } else { self.tokens.len() };
        let mut clauses = Vec::new();
        let mut words = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            match token {
                Token::Word(word) if !joints.contains(&word.as_str()) => words.push(word.as_str()),
                _ if words.is_empty() => {}
                token => {
                    // What stands before a colon or in brackets says of what the rest speaks.
                    let says = !matches!(token, Token::Mark(':' | '(' | ')' | '|' | '/' | '[' | ']' | '='));
                    let is_said = says && !self.is_item;
                    clauses.push(Clause { words: std::mem::take(&mut words), is_said, is_asked: at > asked_from });
                }
            }
        }
        if !words.is_empty() {
            let is_said = self.is_last && !self.is_item;
            clauses.push(Clause { words, is_said, is_asked: self.asks });
        }
        clauses
    }
}
