//! The assistant that the settings select, with deadlines and fallback.

use std::io;
use std::sync::{Mutex, PoisonError};

use domain::llm::{LlmError, LlmEvent, LlmMessage, LlmRequest};
use domain::runtime::ManualClock;
use futures_util::StreamExt as _;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::cli::Cli;

fn assistant_of(variables: &[(&str, &str)]) -> Arc<dyn LlmClient> {
    assistant_with(variables, Arc::default())
}

fn assistant_with(variables: &[(&str, &str)], timer: Arc<ManualClock>) -> Arc<dyn LlmClient> {
    let timer: Arc<dyn Timer> = timer;
    let cli = Cli::read(["app"], &variables.iter().copied().collect()).map_err(|error| error.to_string()).unwrap();
    let choice = cli.settings.derive().unwrap().assistant;
    assistant(&cli.settings.assistant, &choice, &timer, &Metrics::new().unwrap()).unwrap()
}

const COHERE: [(&str, &str); 2] = [("COHERE_API_KEY", "c-key"), ("COHERE_BASE_URL", "http://127.0.0.1:1")];
const LOCAL: [(&str, &str); 2] = [("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"), ("OPENAI_MODEL", "qwen3:8b")];

#[test]
fn provider_and_model_are_those_of_the_chosen_assistant_with_and_without_fallback() {
    for fallback in ["none", "offline"] {
        for (variables, provider, model) in [
            (&[][..], "offline", "doable-offline-1"),
            (&COHERE, "cohere", "command-a-03-2025"),
            (&LOCAL, "openai", "qwen3:8b"),
        ] {
            let assistant = assistant_of(&[variables, &[("LLM_FALLBACK", fallback)]].concat());
            assert_eq!((assistant.provider(), assistant.model()), (provider, model));
        }
    }
}

#[tokio::test]
async fn a_provider_times_out_and_the_fallback_answers_if_it_is_set() {
    for variables in [COHERE, LOCAL] {
        let request = || LlmRequest {
            system: String::new(),
            messages: vec![LlmMessage::User { text: "hello".to_owned() }],
            tools: Arc::from([]),
        };
        let timer = Arc::new(ManualClock::default());
        let alone = timer.run(assistant_with(&variables, timer.clone()).respond(request())).await;
        assert!(matches!(alone, Err(LlmError::Timeout(_))));
        let backed = assistant_with(&[&variables[..], &[("LLM_FALLBACK", "offline")]].concat(), timer.clone());
        let mut answer = timer.run(backed.respond(request())).await.unwrap();
        let first = answer.next().await.unwrap().unwrap();
        assert!(matches!(first, LlmEvent::FallbackUsed { provider, .. } if provider == "offline"));
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn a_removed_cohere_model_is_replaced_with_a_warning() {
    for (configured, used) in [
        ("command-r-plus", "command-r-plus-08-2024"),
        ("command-r-plus-04-2024", "command-r-plus-08-2024"),
        ("command-r-plus-08-2024", "command-r-plus-08-2024"),
        ("command-a-03-2025", "command-a-03-2025"),
    ] {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        let model = tracing::subscriber::with_default(subscriber, || {
            assistant_of(&[&COHERE[..], &[("COHERE_MODEL", configured)]].concat()).model().to_owned()
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let warned = log.contains("WARN") && log.contains(&format!("COHERE_MODEL: Cohere removed {configured} on"));
        assert_eq!((model.as_str(), warned), (used, configured != used), "{log}");
        assert!(!log.contains("c-key"), "{log}");
    }
}
