//! The table of conversations. In `table.txt`, `#` begins a comment, `list:` a conversation with these tasks (a task in
//! brackets is done), `>` what the user says, `=` the calls in short, and `<` a line of the answer.

use anyhow::{Context as _, Result};

use crate::chat::Chat;

/// A message with the expected calls and answer.
struct Turn<'t> {
    text: String,
    calls: &'t str,
    answer: Vec<&'t str>,
}

/// A conversation of the table.
struct Conversation<'t> {
    tasks: &'t str,
    turns: Vec<Turn<'t>>,
}

fn conversations(table: &str) -> Result<Vec<Conversation<'_>>> {
    let mut conversations: Vec<Conversation<'_>> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(tasks) = line.strip_prefix("list:") {
            conversations.push(Conversation { tasks: tasks.trim(), turns: Vec::new() });
            continue;
        }
        let turns = &mut conversations.last_mut().context("a conversation begins with its list")?.turns;
        let (sign, rest) = line.split_at(1);
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        match (sign, turns.last_mut()) {
            (">", _) => {
                let text = rest.replace("\\n", "\n").replace("\\t", "\t").replace("\\r", "\r");
                turns.push(Turn { text, calls: "", answer: Vec::new() });
            }
            ("=", Some(turn)) => turn.calls = rest,
            ("<", Some(turn)) => turn.answer.push(rest),
            _ => anyhow::bail!("a line of no known form: {line}"),
        }
    }
    Ok(conversations)
}

#[tokio::test]
async fn every_conversation_of_the_table_goes_as_written() -> Result<()> {
    let mut wrong = Vec::new();
    for conversation in conversations(include_str!("table.txt"))? {
        let tasks: Vec<&str> = conversation.tasks.split(", ").filter(|task| !task.is_empty()).collect();
        let mut chat = Chat::with_states(&tasks);
        for turn in conversation.turns {
            let (calls, answer) = chat.say(&turn.text).await?;
            let expected = (turn.calls, turn.answer.join("\n"));
            if (calls.as_str(), answer.clone()) != expected {
                wrong.push(format!("> {}\n= {calls}\n< {}\n", turn.text.escape_debug(), answer.replace('\n', "\n< ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} turns went otherwise:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
