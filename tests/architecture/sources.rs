//! Rules for source files: length, files per folder, module docs, names, unfinished code, lint exemptions.
//!
//! Code is read as tokens, so that a word in a comment or in a string is not reported.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::workspace::Source;

/// Maximum number of lines of a file without an exemption.
pub const MAX_LINES: usize = 400;

/// Maximum number of source files in one folder, subfolders not counted.
const MAX_FILES: usize = 20;

/// Names that do not describe the content of a file.
const VAGUE: &[&str] = &["common", "helper", "helpers", "impl", "manager", "misc", "util", "utils"];

/// Macros of unfinished code and of debugging.
const UNFINISHED: &[&str] = &["dbg", "todo", "unimplemented"];

/// The files of more than [`MAX_LINES`] lines that are not in `reasons` (path, reason), and the reasons that name no
/// such file.
pub fn too_long(sources: &[Source], reasons: &[(&str, &str)]) -> Vec<String> {
    let long =
        sources.iter().map(|source| (source, source.text.lines().count())).filter(|(_, lines)| *lines > MAX_LINES);
    let long: Vec<_> = long.collect();
    let excused = |path: &str| reasons.iter().any(|(excused, _)| *excused == path);
    let stale = reasons.iter().filter(|(path, _)| !long.iter().any(|(source, _)| source.path == *path));
    let found = long.iter().filter(|(source, _)| !excused(&source.path));
    found
        .map(|(source, lines)| format!("{}: {lines} lines", source.path))
        .chain(stale.map(|(path, _)| format!("{path}: exemption is not needed")))
        .collect()
}

/// The folders with more than [`MAX_FILES`] source files of their own, those in `exempt` aside.
pub fn crowded_folders(sources: &[Source], exempt: &[&str]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (folder, _) in sources.iter().filter_map(|source| source.path.rsplit_once('/')) {
        *counts.entry(folder).or_default() += 1;
    }
    let crowded = counts.into_iter().filter(|(folder, count)| *count > MAX_FILES && !exempt.contains(folder));
    crowded.map(|(folder, count)| format!("{folder}: {count} files")).collect()
}

/// The files whose first line is no `//!` with words after it.
pub fn without_opening(sources: &[Source]) -> Vec<String> {
    let opens = |source: &Source| {
        source
            .text
            .strip_prefix("//! ")
            .is_some_and(|rest| rest.starts_with(char::is_alphanumeric) || rest.starts_with('`'))
    };
    sources.iter().filter(|source| !opens(source)).map(|source| source.path.clone()).collect()
}

/// The files and folders whose name is one of the vague ones, alone or as a part (`task_utils.rs`).
pub fn vague_names(sources: &[Source]) -> Vec<String> {
    let is_vague = |path: &str| path.split(['/', '.', '_', '-']).any(|word| VAGUE.contains(&word));
    sources.iter().map(|source| &source.path).filter(|path| is_vague(path)).cloned().collect()
}

/// The unfinished macros and the tests that are switched off.
///
/// # Errors
/// When a file is not made of Rust tokens.
pub fn unfinished(sources: &[Source]) -> Result<Vec<String>> {
    find(sources, |tokens, at| match (&tokens[at], tokens.get(at + 1)) {
        (TokenTree::Ident(name), Some(TokenTree::Punct(mark))) if mark.as_char() == '!' => {
            UNFINISHED.iter().any(|unfinished| name == unfinished).then(|| format!("{name}!"))
        }
        (TokenTree::Punct(mark), Some(TokenTree::Group(attribute))) if mark.as_char() == '#' => {
            let words = attribute_words(attribute);
            let first = words.first().map(String::as_str);
            let off = first == Some("ignore") || first == Some("cfg_attr") && words.iter().any(|word| word == "ignore");
            off.then(|| "#[ignore]".to_owned())
        }
        _ => None,
    })
}

/// The `allow` and `expect` attributes without a reason.
///
/// # Errors
/// When a file is not made of Rust tokens.
pub fn silenced_without_reason(sources: &[Source]) -> Result<Vec<String>> {
    find(sources, |tokens, at| {
        let TokenTree::Group(attribute) = &tokens[at] else { return None };
        let words = attribute_words(attribute);
        let first = words.first().map(String::as_str).filter(|first| ["allow", "expect"].contains(first))?;
        let is_attribute = at.checked_sub(1).is_some_and(|before| ends_in_attribute_mark(&tokens[..=before]));
        (is_attribute && !words.iter().any(|word| word == "reason")).then(|| format!("#[{first}]"))
    })
}

/// Whether the tokens end in `#` or in `#!`.
fn ends_in_attribute_mark(tokens: &[TokenTree]) -> bool {
    let is =
        |token: Option<&TokenTree>, mark| matches!(token, Some(TokenTree::Punct(found)) if found.as_char() == mark);
    let mut backwards = tokens.iter().rev();
    let last = backwards.next();
    is(last, '#') || is(last, '!') && is(backwards.next(), '#')
}

/// Every word of `[…]`, those in its parentheses too; nothing for another kind of bracket.
fn attribute_words(group: &proc_macro2::Group) -> Vec<String> {
    if group.delimiter() == Delimiter::Bracket { words(group.stream()) } else { Vec::new() }
}

fn words(tokens: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(word) => found.push(word.to_string()),
            TokenTree::Group(inner) => found.extend(words(inner.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}

/// Runs `look` on every token of every file, the tokens around it in sight.
fn find(sources: &[Source], look: impl Fn(&[TokenTree], usize) -> Option<String>) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for source in sources {
        let tokens: TokenStream = source.text.parse().map_err(|error| anyhow!("{}: {error}", source.path))?;
        let mut streams = vec![tokens];
        while let Some(stream) = streams.pop() {
            let tokens: Vec<_> = stream.into_iter().collect();
            let found = (0..tokens.len()).filter_map(|at| look(&tokens, at));
            findings.extend(found.map(|what| format!("{}: {what}", source.path)));
            streams.extend(tokens.iter().filter_map(|token| match token {
                TokenTree::Group(group) => Some(group.stream()),
                TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
            }));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<Source> {
        vec![Source { path: path.to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn a_file_over_the_limit_is_found_unless_it_is_exempt() {
        let long = file("x.rs", &"//! x\n".repeat(MAX_LINES + 1));
        assert_eq!(too_long(&long, &[]), ["x.rs: 401 lines"]);
        assert!(too_long(&long, &[("x.rs", "a table")]).is_empty());
        assert!(too_long(&file("x.rs", &"//! x\n".repeat(MAX_LINES)), &[]).is_empty());
    }

    #[test]
    fn an_exemption_of_a_short_or_missing_file_is_found() {
        assert_eq!(too_long(&file("x.rs", "//! x"), &[("x.rs", "a table")]), ["x.rs: exemption is not needed"]);
        assert_eq!(too_long(&[], &[("x.rs", "a table")]), ["x.rs: exemption is not needed"]);
    }

    #[test]
    fn a_folder_with_too_many_files_is_found_unless_it_is_exempt() {
        let files = |count: usize| (0..count).flat_map(|n| file(&format!("a/b/{n}.rs"), "")).collect::<Vec<_>>();
        assert_eq!(crowded_folders(&files(MAX_FILES + 1), &[]), ["a/b: 21 files"]);
        assert!(crowded_folders(&files(MAX_FILES + 1), &["a/b"]).is_empty());
        assert!(crowded_folders(&[files(MAX_FILES), file("a/b/c/d.rs", "")].concat(), &[]).is_empty());
    }

    #[test]
    fn a_file_that_does_not_open_with_words_is_found() {
        for silent in ["", "//!", "//! ", "//!\nfn x() {}", "// x", "/// x", "\n//! x", "use std::fs;"] {
            assert_eq!(without_opening(&file("x.rs", silent)), ["x.rs"], "{silent:?}");
        }
        assert!(without_opening(&file("x.rs", "//! What it is.")).is_empty());
    }

    #[test]
    fn a_vague_name_is_found_as_a_file_a_folder_or_a_part() {
        for vague in ["a/utils.rs", "a/common/mod.rs", "a/task_helpers.rs", "a/task-manager/b.rs"] {
            assert_eq!(vague_names(&file(vague, "")), [vague]);
        }
        assert!(vague_names(&file("a/commonplace/implied.rs", "")).is_empty());
    }

    #[test]
    fn unfinished_macros_are_found_at_any_depth_and_not_in_words() {
        let open = "mod a { fn b() { if true { todo!() } else { vec![dbg!(1)]; unimplemented!(\"x\") } } }";
        let mut found = unfinished(&file("x.rs", open)).unwrap();
        found.sort();
        assert_eq!(found, ["x.rs: dbg!", "x.rs: todo!", "x.rs: unimplemented!"]);
        let words = "//! todo!\n/* dbg!(1) */ fn todo() -> &'static str { \"todo!() #[ignore]\" } // #[ignore]";
        assert!(unfinished(&file("x.rs", words)).unwrap().is_empty());
    }

    #[test]
    fn tests_that_are_switched_off_are_found_in_every_spelling() {
        for off in ["#[ignore]", "#[ignore = \"slow\"]", "#[cfg_attr(windows, ignore)]"] {
            let text = format!("mod tests {{ #[test] {off} fn a() {{}} }}");
            assert_eq!(unfinished(&file("x.rs", &text)).unwrap(), ["x.rs: #[ignore]"], "{off}");
        }
    }

    #[test]
    fn a_silenced_lint_without_a_reason_is_found() {
        for silent in ["#[allow(dead_code)] fn a() {}", "#![expect(dead_code)]", "mod a { #[allow(x, y)] fn b() {} }"] {
            assert_eq!(silenced_without_reason(&file("x.rs", silent)).unwrap().len(), 1, "{silent}");
        }
        for reasoned in ["#[expect(dead_code, reason = \"x\")] fn a() {}", "fn a() { let b = [allow(c)]; }"] {
            assert!(silenced_without_reason(&file("x.rs", reasoned)).unwrap().is_empty(), "{reasoned}");
        }
    }
}
