//! Pure work on tasks in each write, and the JSON of a stored message.

use std::hint::black_box;

use chrono::{DateTime, TimeDelta, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use domain::conversation::message::{Part, ToolCall};
use domain::patch::Patch;
use domain::task::{Task, TaskPatch, Title};
use domain::text::NormalizedText;
use serde_json::json;
use uuid::Uuid;

const TITLE: &str = "Buy groceries for the weekend: milk, bread, 12 eggs";

fn titles(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("title");
    group.bench_function("parse", |bencher| bencher.iter(|| black_box(TITLE).parse::<Title>()));
    group.bench_function("normalize", |bencher| bencher.iter(|| NormalizedText::new(black_box(TITLE))));
    group.finish();
}

fn changes(criterion: &mut Criterion) {
    let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    let title = |text: &str| text.parse::<Title>();
    let (Ok(before), Ok(after)) = (title(TITLE), title("Buy flowers")) else { return };
    let task = Task::new(Uuid::now_v7().into(), Uuid::now_v7().into(), before, false, now);
    let patch = TaskPatch { title: Patch::Set(after), ..TaskPatch::default() };
    criterion.bench_function("task/apply", |bencher| bencher.iter(|| black_box(&task).apply(black_box(&patch), now)));
}

fn messages(criterion: &mut Criterion) {
    let call = ToolCall {
        id: "call_0".to_owned(),
        round: 0,
        tool: "add_task".to_owned(),
        parameters: json!({"title": "milk"}),
        result: None,
        changes: Vec::new(),
    };
    let text = Part::Text { round: 1, text: "Added “milk” to your list.".to_owned() };
    let parts = [Part::ToolCall(call), text];
    let stored = serde_json::to_string(&parts).unwrap_or_default();
    let mut group = criterion.benchmark_group("message");
    group.bench_function("to JSON", |bencher| bencher.iter(|| serde_json::to_string(black_box(&parts))));
    group.bench_function("from JSON", |bencher| {
        bencher.iter(|| serde_json::from_str::<Vec<Part>>(black_box(&stored)));
    });
    group.finish();
}

criterion_group!(benches, titles, changes, messages);
criterion_main!(benches);
