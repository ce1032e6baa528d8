//! The notation of the grammar's tables, read into a [`Pattern`].
//!
//! It is the template notation that voice assistants use (JSGF, Home Assistant's sentence templates), cut down:
//!
//! | written | matches |
//! |---|---|
//! | `word` | that word |
//! | `(a \| b c)` | one of these |
//! | `[a \| b]` | one of these, or nothing |
//! | `<name>` | whatever the word family `name` matches |
//! | `{title}`, `{item}`, `{new}` | one word or more: the command's argument |
//! | `{rest}` | one word or more that lead nowhere: a reason, a time, "with me" |
//! | `{number}` | one word that is a number or an ordinal |
//! | `{*}` | nothing, or up to three words that do not matter |
//!
//! The tables are in `grammar/`; `matching.rs` matches patterns against sentences.

/// Which argument a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The title of a new task.
    Title,
    /// Words for a task that exists.
    Item,
    /// A task's new title.
    New,
    /// Words that no command needs.
    Rest,
    /// A number or an ordinal.
    Number,
}

/// A pattern of words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// One word.
    Word(String),
    /// A word family, by name.
    Family(String),
    /// An argument.
    Slot(Slot),
    /// Up to three words that do not matter.
    Wild,
    /// One behind the other.
    Sequence(Vec<Pattern>),
    /// One of them.
    Choice(Vec<Pattern>),
    /// It or nothing.
    Optional(Box<Pattern>),
}

impl Pattern {
    /// Collects the names of the families in it.
    pub fn families<'p>(&'p self, found: &mut Vec<&'p str>) {
        match self {
            Self::Family(name) => found.push(name),
            Self::Sequence(parts) | Self::Choice(parts) => parts.iter().for_each(|part| part.families(found)),
            Self::Optional(inner) => inner.families(found),
            Self::Word(_) | Self::Slot(_) | Self::Wild => {}
        }
    }

    /// Whether its first part is a slot, optional parts aside.
    pub fn begins_with_slot(&self) -> bool {
        match self {
            Self::Sequence(parts) => {
                parts.iter().find(|part| !matches!(part, Self::Optional(_))).is_some_and(Self::begins_with_slot)
            }
            Self::Slot(_) | Self::Wild => true,
            Self::Word(_) | Self::Family(_) | Self::Choice(_) | Self::Optional(_) => false,
        }
    }
}

/// Why a line of the grammar cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotationError {
    /// A bracket is not closed, or closed and not opened, or an alternative is empty.
    #[error("unbalanced brackets or an empty alternative in '{0}'")]
    Unbalanced(String),
    /// There is no such slot.
    #[error("unknown slot '{0}'")]
    UnknownSlot(String),
    /// There is no such family, or it contains itself.
    #[error("unknown or circular word family '{0}'")]
    UnknownFamily(String),
}

/// Reads one line of a table.
///
/// # Errors
/// [`NotationError`] if it is not in the notation.
pub(super) fn parse(line: &str) -> Result<Pattern, NotationError> {
    let mut rest = line;
    let pattern = choice(&mut rest, line)?;
    if rest.is_empty() { Ok(pattern) } else { Err(NotationError::Unbalanced(line.to_owned())) }
}

fn choice(rest: &mut &str, line: &str) -> Result<Pattern, NotationError> {
    let mut options = vec![sequence(rest, line)?];
    while let Some(behind) = rest.strip_prefix('|') {
        *rest = behind;
        options.push(sequence(rest, line)?);
    }
    // "a | | b" would match nothing.
    if options.iter().any(|option| matches!(option, Pattern::Sequence(parts) if parts.is_empty())) {
        return Err(NotationError::Unbalanced(line.to_owned()));
    }
    Ok(if options.len() == 1 { options.remove(0) } else { Pattern::Choice(options) })
}

fn sequence(rest: &mut &str, line: &str) -> Result<Pattern, NotationError> {
    let mut parts = Vec::new();
    loop {
        *rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { break };
        match first {
            '|' | ')' | ']' => break,
            '(' => parts.push(bracketed(rest, ')', line)?),
            '[' => parts.push(Pattern::Optional(Box::new(bracketed(rest, ']', line)?))),
            '<' => parts.push(Pattern::Family(name(rest, '>', line)?)),
            '{' => parts.push(slot(&name(rest, '}', line)?)?),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || "|()[]<>{}".contains(c)).unwrap_or(rest.len());
                if end == 0 {
                    return Err(NotationError::Unbalanced(line.to_owned()));
                }
                parts.push(Pattern::Word(rest[..end].to_owned()));
                *rest = &rest[end..];
            }
        }
    }
    Ok(if parts.len() == 1 { parts.remove(0) } else { Pattern::Sequence(parts) })
}

fn bracketed(rest: &mut &str, closing: char, line: &str) -> Result<Pattern, NotationError> {
    *rest = &rest[1..];
    let inner = choice(rest, line)?;
    *rest = rest.strip_prefix(closing).ok_or_else(|| NotationError::Unbalanced(line.to_owned()))?;
    Ok(inner)
}

fn name(rest: &mut &str, closing: char, line: &str) -> Result<String, NotationError> {
    let (name, behind) = rest[1..].split_once(closing).ok_or_else(|| NotationError::Unbalanced(line.to_owned()))?;
    *rest = behind;
    Ok(name.trim().to_owned())
}

fn slot(name: &str) -> Result<Pattern, NotationError> {
    Ok(Pattern::Slot(match name {
        "*" => return Ok(Pattern::Wild),
        "title" => Slot::Title,
        "item" => Slot::Item,
        "new" => Slot::New,
        "rest" => Slot::Rest,
        "number" => Slot::Number,
        _ => return Err(NotationError::UnknownSlot(name.to_owned())),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Pattern {
        Pattern::Word(text.to_owned())
    }

    #[test]
    fn a_line_is_read_into_its_parts() {
        assert_eq!(
            parse("(add|put down) {title} [to <list>]").unwrap(),
            Pattern::Sequence(vec![
                Pattern::Choice(vec![word("add"), Pattern::Sequence(vec![word("put"), word("down")])]),
                Pattern::Slot(Slot::Title),
                Pattern::Optional(Box::new(Pattern::Sequence(vec![word("to"), Pattern::Family("list".to_owned())]))),
            ])
        );
    }

    #[test]
    fn a_broken_line_is_refused() {
        for line in ["(add", "add)", "[a|(b]", "<list", "{title", "a > b", "a | | b", "(a|)"] {
            assert!(matches!(parse(line), Err(NotationError::Unbalanced(_))), "{line}");
        }
        assert_eq!(parse("{titel}"), Err(NotationError::UnknownSlot("titel".to_owned())));
    }
}
