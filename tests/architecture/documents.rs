//! Links, anchors and names of files in the Markdown documents.

use std::collections::BTreeSet;

use crate::workspace::Source;

/// Extensions that make a code span the name of a file of the repository.
const EXTENSIONS: &[&str] = &["rs", "md", "toml", "yml", "sh", "mjs"];

/// The relative links, anchors and file names in `documents` that nothing in `files` (paths from the root) answers to.
pub fn dead_references(documents: &[Source], files: &[String]) -> Vec<String> {
    let mut paths: BTreeSet<&str> = BTreeSet::new();
    for file in files {
        paths.extend(file.match_indices('/').map(|(end, _)| &file[..end]));
        paths.insert(file);
    }
    let mut findings = Vec::new();
    for document in documents {
        let prose = without_fences(&document.text);
        let (plain, spans) = split_code_spans(&prose);
        let dead_links = links(&plain).into_iter().filter(|link| !resolves(link, document, documents, &paths));
        let dead_names = spans.into_iter().filter(|span| names_a_file(span, &paths) && !exists(span, &paths));
        let dead = dead_links.chain(dead_names);
        findings.extend(dead.map(|reference| format!("{}: {reference}", document.path)));
    }
    findings
}

/// The lines outside fenced code blocks.
fn without_fences(text: &str) -> String {
    let mut fenced = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// The text without its code spans, and the code spans.
fn split_code_spans(text: &str) -> (String, Vec<&str>) {
    let (mut plain, mut spans) = (String::new(), Vec::new());
    for line in text.lines() {
        for (index, part) in line.split('`').enumerate() {
            if index % 2 == 0 { plain.push_str(part) } else { spans.push(part) }
        }
        plain.push('\n');
    }
    (plain, spans)
}

/// The targets of inline links and of link definitions.
fn links(plain: &str) -> Vec<&str> {
    let inline = plain.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let defined = plain.lines().filter(|line| line.starts_with('[')).filter_map(|line| line.split_once("]: "));
    inline.chain(defined.filter_map(|(_, target)| target.split_whitespace().next())).collect()
}

fn resolves(link: &str, document: &Source, documents: &[Source], paths: &BTreeSet<&str>) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let target = if file.is_empty() { Some(document.path.clone()) } else { relative_to(&document.path, file) };
    let Some(target) = target else { return false };
    let has_anchor = |anchor| {
        let found = documents.iter().find(|other| other.path == target);
        found.is_none_or(|other| anchors(&other.text).contains(anchor))
    };
    (target.is_empty() || paths.contains(target.as_str())) && anchor.is_none_or(has_anchor)
}

/// The path from the root that `link` names in `document`; nothing for one outside the repository.
fn relative_to(document: &str, link: &str) -> Option<String> {
    let mut folders: Vec<&str> = document.split('/').collect();
    folders.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                folders.pop()?;
            }
            name => folders.push(name),
        }
    }
    Some(folders.join("/"))
}

/// The anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in without_fences(text).lines().filter(|line| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
        let anchor: String = kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
        let repeated = (1..).map(|count| format!("{anchor}-{count}"));
        let free = std::iter::once(anchor.clone()).chain(repeated).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}

/// Whether a code span is the name of a file or of a folder: a known extension, or a top-level folder in front.
fn names_a_file(span: &str, paths: &BTreeSet<&str>) -> bool {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || ['_', '-', '.', '/'].contains(&letter);
    let has_extension =
        span.rsplit_once('.').is_some_and(|(stem, extension)| !stem.is_empty() && EXTENSIONS.contains(&extension));
    let in_folder = span.split_once('/').is_some_and(|(folder, _)| !folder.is_empty() && paths.contains(folder));
    span.chars().all(is_name) && !span.starts_with(['/', '.']) && (has_extension || in_folder)
}

fn exists(name: &str, paths: &BTreeSet<&str>) -> bool {
    let name = name.trim_end_matches('/');
    paths.iter().any(|path| path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> Vec<String> {
        let document = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let documents = [document("docs/api.md", text), document("README.md", "# Top\n## Quick `start`, now\n## Top")];
        let files = ["README.md", "docs/api.md", "crates/domain/src/task.rs", "crates/domain/src/chat/turn.rs"];
        let found = dead_references(&documents, &files.map(str::to_owned));
        found.iter().map(|line| line.trim_start_matches("docs/api.md: ").to_owned()).collect()
    }

    #[test]
    fn a_dead_file_name_is_found() {
        for name in
            ["tasks.rs", "domain/src/turn.rs", "crates/llm", "crates/domain/src/tool/", "docs/limits.md", "deny.toml"]
        {
            assert_eq!(dead(&format!("See `{name}` and `task.rs`.")), [name]);
        }
    }

    #[test]
    fn a_dead_link_and_a_dead_anchor_are_found() {
        for link in ["limits.md", "../docs", "../../README.md", "#nothing", "../README.md#gone", "README.md"] {
            let expected: &[&str] = if link == "../docs" { &[] } else { &[link] };
            assert_eq!(dead(&format!("# Api\n[this]({link}) and [that](../README.md)")), expected);
        }
        assert_eq!(dead("See [this].\n\n[this]: gone.md"), ["gone.md"]);
    }

    #[test]
    fn names_and_links_that_exist_are_not_found() {
        let text = "# Api\n`task.rs`, `chat/turn.rs`, `domain/src/chat/`, `crates/domain`, [a](#api), [b](../README.md#top-1), \
                    [c](../README.md#quick-start-now), [d](https://example.org/x.md)";
        assert!(dead(text).is_empty(), "{:?}", dead(text));
    }

    #[test]
    fn code_blocks_routes_and_patterns_are_no_names() {
        let text = "```\n`gone.rs` [a](gone.md)\n```\n`GET /api/x.md` `/auth/me` `crates/*/src` `<provider>.rs` `[a](gone.md)`";
        assert!(dead(text).is_empty(), "{:?}", dead(text));
    }
}
