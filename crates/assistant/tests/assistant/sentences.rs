//! The table of sentences: each is said first in a conversation of its own.

use anyhow::{Context as _, Result};

use crate::{in_short, reply, user};

#[tokio::test]
async fn every_sentence_of_the_table_leads_to_its_call() -> Result<()> {
    let mut wrong = Vec::new();
    let rows = include_str!("sentences.txt").lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    for row in rows {
        let (sentence, expected) = row.split_once(" => ").with_context(|| format!("no ' => ' in '{row}'"))?;
        let found = in_short(&reply(vec![user(sentence)]).await?)?;
        if found != expected {
            wrong.push(format!("{sentence}\n    expected {expected}\n    found    {found}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
