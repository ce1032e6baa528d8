//! The commands of the built-in assistant: they need no database and leave no files.

use std::fs;

use anyhow::ensure;
use tempfile::TempDir;

use crate::server::run;

/// A database that cannot be reached.
const NO_DATABASE: (&str, &str) = ("DATABASE_URL", "postgres://none@127.0.0.1:1/none");

#[test]
fn a_sentence_is_explained_without_a_database() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let output = run(folder.path(), &["assistant", "explain", "put oat milk on my list"], &[NO_DATABASE])?;
    let out = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{out}");
    for part in [
        "words: put oat milk on my list",
        "Add  title: oat milk",
        "<to-list>",
        r#"calls add_task {"title":"oat milk"}"#,
    ] {
        ensure!(out.contains(part), "{part}: {out}");
    }
    ensure!(fs::read_dir(folder.path())?.next().is_none(), "the command leaves files");
    Ok(())
}

#[test]
fn sentences_are_scored_without_a_database() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    let rows = [
        r#"{"id":"a","text":"add milk to my list","expect":{"tool":"add_task","title":"milk"},"tags":["short"]}"#,
        r#"{"id":"b","text":"what's left?","expect":{"tool":"list_tasks","status":"pending"}}"#,
        r#"{"id":"c","text":"delete the first one","expect":{"tool":"delete_task","identifier":"2"}}"#,
    ];
    fs::write(folder.path().join("rows.jsonl"), rows.join("\n"))?;
    let scored =
        run(folder.path(), &["assistant", "eval", "rows.jsonl", "--predictions", "found.jsonl"], &[NO_DATABASE])?;
    let out = String::from_utf8(scored.stdout)?;
    ensure!(scored.status.success(), "{out}");
    let lines: Vec<String> = out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "all 3 100.0% 66.7%",
        "tool delete_task 1 100.0% 0.0%",
        "tag short 1 100.0% 100.0%",
        "HARMFUL c: delete the first one",
        r#"found delete_task {"task_identifier":"1"}"#,
        "harmful: 1 (a task completed, deleted or renamed that was not to be)",
    ] {
        ensure!(lines.iter().any(|found| found == line), "{line}: {out}");
    }
    let found = fs::read_to_string(folder.path().join("found.jsonl"))?;
    ensure!(
        found.lines().count() == 3 && found.contains(r#""id":"a""#) && found.contains(r#""title":"milk""#),
        "{found}"
    );
    Ok(())
}

#[test]
fn an_invalid_row_is_reported_with_its_line() -> anyhow::Result<()> {
    let folder = TempDir::new()?;
    fs::write(folder.path().join("rows.jsonl"), "\n{\"id\": 1}\n")?;
    let refused = run(folder.path(), &["assistant", "eval", "rows.jsonl"], &[])?;
    let error = String::from_utf8(refused.stderr)?;
    ensure!(!refused.status.success() && error.contains("rows.jsonl: line 2"), "{error}");
    Ok(())
}
