//! Tasks: lists, by page, status and title.

use std::num::NonZeroU16;

use domain::change::Write;
use domain::id::UserId;
use domain::page::PageRequest;
use domain::task::{Task, TaskFilter, TaskRepo as _, TaskStatus, TitleMatch};
use domain::text::NormalizedText;
use test_database::{TestDatabase, on_both_databases};

use crate::fixture::{Fixture, at, id};

on_both_databases!(
    the_newest_task_is_listed_first,
    pages_contain_every_task_once,
    pages_are_stable_when_tasks_are_added_and_deleted,
    a_list_is_filtered_by_status,
    titles_are_matched_case_insensitively,
    search_text_is_matched_literally,
    an_exact_match_compares_the_whole_title,
);

fn limit(limit: u16) -> NonZeroU16 {
    NonZeroU16::new(limit).unwrap_or(NonZeroU16::MIN)
}

/// Returns every task that `filter` selects, read in pages of `size`.
async fn all(fixture: &Fixture, owner: UserId, filter: &TaskFilter, size: u16) -> anyhow::Result<Vec<Task>> {
    let (mut shown, mut request) = (Vec::new(), PageRequest::first(limit(size)));
    loop {
        let page = fixture.tasks.list(owner, filter, request.clone()).await?;
        anyhow::ensure!(page.items.len() <= usize::from(size), "a page of {}", page.items.len());
        shown.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(shown),
        }
    }
}

async fn titles(fixture: &Fixture, owner: UserId, filter: TaskFilter) -> anyhow::Result<Vec<String>> {
    Ok(all(fixture, owner, &filter, 100).await?.into_iter().map(|task| task.title.to_string()).collect())
}

fn containing(text: &str) -> TaskFilter {
    TaskFilter { title: Some(TitleMatch::Containing(NormalizedText::new(text))), ..TaskFilter::default() }
}

fn exactly(title: &str) -> TaskFilter {
    TaskFilter { title: Some(TitleMatch::Exactly(NormalizedText::new(title))), ..TaskFilter::default() }
}

async fn the_newest_task_is_listed_first(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    assert_eq!(all(&fixture, owner, &TaskFilter::default(), 1).await?, []);
    for title in ["a", "b", "c"] {
        fixture.task(owner, title).await?;
    }
    assert_eq!(titles(&fixture, owner, TaskFilter::default()).await?, ["c", "b", "a"]);
    Ok(())
}

async fn pages_contain_every_task_once(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut created = Vec::new();
    for number in 0..7 {
        // All at the same time, so that the order is by id.
        created.push(fixture.task(owner, &number.to_string()).await?);
    }
    created.reverse();
    for size in [1, 2, 3, 6, 7, 8] {
        assert_eq!(all(&fixture, owner, &TaskFilter::default(), size).await?, created, "pages of {size}");
    }
    let exact = fixture.tasks.list(owner, &TaskFilter::default(), PageRequest::first(limit(7))).await?;
    assert_eq!(exact.next, None);
    Ok(())
}

async fn pages_are_stable_when_tasks_are_added_and_deleted(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    let mut tasks = Vec::new();
    for number in 0..4 {
        tasks.push(fixture.task(owner, &number.to_string()).await?);
    }
    let first = fixture.tasks.list(owner, &TaskFilter::default(), PageRequest::first(limit(2))).await?;
    fixture.task(owner, "new").await?;
    // The task that the cursor refers to is deleted.
    fixture.trash(&tasks[2], at(1)).await?;
    let request = PageRequest { limit: limit(2), after: first.next };
    let second = fixture.tasks.list(owner, &TaskFilter::default(), request).await?;
    assert_eq!((second.items, second.next), (vec![tasks[1].clone(), tasks[0].clone()], None));
    Ok(())
}

async fn a_list_is_filtered_by_status(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for (title, completed) in [("a", true), ("b", false), ("c", true), ("d", false)] {
        let task = Task::new(id(), owner, title.parse()?, completed, at(0));
        fixture.write(owner, Write::create(task)).await?;
    }
    for (status, expected) in [
        (TaskStatus::All, ["d", "c", "b", "a"].as_slice()),
        (TaskStatus::Pending, &["d", "b"]),
        (TaskStatus::Completed, &["c", "a"]),
    ] {
        let filter = TaskFilter { status, title: None };
        assert_eq!(titles(&fixture, owner, filter.clone()).await?, expected, "{status:?}");
        let by_one: Vec<_> = all(&fixture, owner, &filter, 1).await?;
        assert_eq!(by_one.len(), expected.len(), "{status:?}");
    }
    let both = TaskFilter { status: TaskStatus::Pending, ..exactly("A") };
    assert_eq!(titles(&fixture, owner, both).await?, Vec::<String>::new());
    Ok(())
}

async fn titles_are_matched_case_insensitively(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for title in ["STRASSE fegen", "CAFE\u{301} zahlen", "ÄPFEL", "Apfel"] {
        fixture.task(owner, title).await?;
    }
    for (text, expected) in
        [("straße", "STRASSE fegen"), ("café", "CAFE\u{301} zahlen"), ("äpf", "ÄPFEL"), ("APF", "Apfel")]
    {
        assert_eq!(titles(&fixture, owner, containing(text)).await?, [expected], "{text}");
    }
    assert_eq!(titles(&fixture, owner, exactly("äpfel")).await?, ["ÄPFEL"]);
    // A changed title is found by its new text only.
    let apple = all(&fixture, owner, &exactly("apfel"), 9).await?.remove(0);
    let patch = domain::task::TaskPatch { title: Some("Birne".parse()?).into(), ..Default::default() };
    fixture.write(owner, Write::replace(apple.clone(), apple.apply(&patch, at(1)))).await?;
    assert_eq!(titles(&fixture, owner, containing("apf")).await?, Vec::<String>::new());
    assert_eq!(titles(&fixture, owner, exactly("birne")).await?, ["Birne"]);
    Ok(())
}

async fn search_text_is_matched_literally(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    for title in ["100% wool", "1000 wool", "a_b", "axb", "back\\slash", "really!", "it's", "[a-z]*"] {
        fixture.task(owner, title).await?;
    }
    for (text, expected) in [
        ("0%", "100% wool"),
        ("%", "100% wool"),
        ("_", "a_b"),
        ("a_b", "a_b"),
        ("\\", "back\\slash"),
        ("k\\s", "back\\slash"),
        ("!", "really!"),
        ("'", "it's"),
        ("]*", "[a-z]*"),
    ] {
        assert_eq!(titles(&fixture, owner, containing(text)).await?, [expected], "{text}");
    }
    for text in ["!%", "!_", "%%", "?", "$1"] {
        assert_eq!(titles(&fixture, owner, containing(text)).await?, Vec::<String>::new(), "{text}");
    }
    assert_eq!(titles(&fixture, owner, exactly("a_B")).await?, ["a_b"]);
    Ok(())
}

async fn an_exact_match_compares_the_whole_title(test: TestDatabase) -> anyhow::Result<()> {
    let fixture = Fixture::new(test).await?;
    let owner = fixture.user().await?;
    // Equal in the indexed prefix.
    let (one, other) = (format!("{}a", "é".repeat(499)), format!("{}b", "é".repeat(499)));
    for title in ["milk", "milk 2", &one, &other] {
        fixture.task(owner, title).await?;
    }
    for title in ["milk", &one, &other] {
        assert_eq!(titles(&fixture, owner, exactly(title)).await?, [title]);
    }
    assert_eq!(titles(&fixture, owner, exactly("mil")).await?, Vec::<String>::new());
    Ok(())
}
