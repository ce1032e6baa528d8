//! The built-in assistant's reading of a sentence, from its words to the calls: the time of a chat turn that no database
//! takes.

use std::hint::black_box;

use assistant::BuiltInAssistant;
use criterion::{Criterion, criterion_group, criterion_main};
use domain::llm::{LlmClient as _, LlmMessage, LlmRequest, collect};
use domain::tool::specs;
use futures_util::FutureExt as _;

const SENTENCES: [(&str, &str); 4] = [
    ("short", "add milk"),
    ("two commands", "add milk and bread, then mark the laundry as done"),
    ("question", "what do I still have to do today?"),
    ("no command", "the weather was lovely when we walked along the river yesterday evening"),
];

fn read_sentences(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("assistant");
    for (name, sentence) in SENTENCES {
        group.bench_function(name, |bencher| bencher.iter(|| BuiltInAssistant::new().explain(black_box(sentence))));
    }
    let request = LlmRequest {
        system: String::new(),
        messages: vec![LlmMessage::User { text: "add milk".to_owned() }],
        tools: specs().into(),
    };
    group.bench_function("reply with a call", |bencher| {
        bencher.iter(|| {
            // The assistant never waits.
            async { collect(BuiltInAssistant::new().respond(black_box(request.clone())).await?).await }.now_or_never()
        });
    });
    group.finish();
}

criterion_group!(benches, read_sentences);
criterion_main!(benches);
