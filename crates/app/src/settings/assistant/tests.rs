//! Who is chosen, and what may not be missing then.

use secrecy::ExposeSecret;

use super::super::tests::{problems, settings};
use super::*;

fn assistant(variables: &[(&str, &str)]) -> AssistantSettings {
    settings(variables).assistant
}

/// The chosen provider's name.
fn chosen(variables: &[(&str, &str)]) -> &'static str {
    match assistant(variables).choice {
        AssistantChoice::Offline => "offline",
        AssistantChoice::Cohere(_) => "cohere",
        AssistantChoice::OpenAi(_) => "openai",
    }
}

fn model(variables: &[(&str, &str)]) -> ModelSettings {
    match assistant(variables).choice {
        AssistantChoice::Cohere(model) | AssistantChoice::OpenAi(model) => model,
        AssistantChoice::Offline => panic!("the built-in assistant was chosen"),
    }
}

fn key(model: &ModelSettings) -> Option<&str> {
    model.key.as_ref().map(ExposeSecret::expose_secret)
}

const COHERE: (&str, &str) = ("COHERE_API_KEY", "c-key");
const OPENAI: (&str, &str) = ("OPENAI_API_KEY", "o-key");
const LOCAL: (&str, &str) = ("OPENAI_BASE_URL", "http://localhost:11434/v1");
const MODEL: (&str, &str) = ("OPENAI_MODEL", "qwen3:8b");

#[test]
fn auto_takes_cohere_with_a_key_then_openai_with_a_key_or_an_address_then_the_built_in_one() {
    for (variables, expected) in [
        (&[][..], "offline"),
        (&[COHERE], "cohere"),
        (&[OPENAI, MODEL], "openai"),
        (&[LOCAL, MODEL], "openai"),
        (&[COHERE, OPENAI, LOCAL], "cohere"),
        (&[("COHERE_BASE_URL", "http://localhost:1"), ("COHERE_MODEL", "x"), MODEL], "offline"),
        (&[("COHERE_API_KEY", "  "), ("OPENAI_API_KEY", ""), ("OPENAI_BASE_URL", " ")], "offline"),
    ] {
        assert_eq!(chosen(variables), expected, "{variables:?}");
        let by_name = [variables, &[("LLM_PROVIDER", "auto")]].concat();
        assert_eq!(chosen(&by_name), expected, "{variables:?}");
    }
}

#[test]
fn a_provider_that_is_named_is_taken_whatever_else_is_set_up() {
    let all = [COHERE, OPENAI, LOCAL, MODEL];
    for name in ["offline", "cohere", "openai", " openai "] {
        assert_eq!(chosen(&[&all[..], &[("LLM_PROVIDER", name)]].concat()), name.trim());
    }
}

#[test]
fn a_provider_without_what_it_needs_refuses_to_start_and_names_the_variable() {
    for (variables, expected) in [
        (&[("LLM_PROVIDER", "cohere"), OPENAI][..], &["COHERE_API_KEY: must be set: "][..]),
        (&[("LLM_PROVIDER", "openai"), COHERE], &["OPENAI_API_KEY: must be set: ", "OPENAI_MODEL: must be set: "]),
        (&[("LLM_PROVIDER", "openai"), MODEL], &["OPENAI_API_KEY: must be set: "]),
        (&[("OPENAI_BASE_URL", "https://eu.api.openai.com/v1"), MODEL], &["OPENAI_API_KEY: must be set: "]),
        (&[OPENAI], &["OPENAI_MODEL: must be set: "]),
        (&[LOCAL], &["OPENAI_MODEL: must be set: "]),
    ] {
        let problems = problems(variables);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
}

#[test]
fn a_server_of_ones_own_needs_no_key() {
    let local = model(&[LOCAL, MODEL]);
    assert_eq!((local.base_url.as_str(), key(&local)), ("http://localhost:11434/v1", None));
    assert_eq!((local.model.as_str(), local.temperature), ("qwen3:8b", None));
    // A host that only looks like OpenAI's.
    assert_eq!(chosen(&[("OPENAI_BASE_URL", "https://notapi.openai.com.example.com/v1"), MODEL]), "openai");
}

#[test]
fn a_provider_s_defaults_are_its_vendor_s() {
    let cohere = model(&[COHERE]);
    assert_eq!((cohere.base_url.as_str(), cohere.model.as_str()), ("https://api.cohere.com/", "command-a-03-2025"));
    assert_eq!((key(&cohere), cohere.temperature), (Some("c-key"), Some(0.3)));
    assert_eq!(model(&[OPENAI, MODEL]).base_url.as_str(), "https://api.openai.com/v1");
}

#[test]
fn every_setting_of_a_provider_is_taken() {
    let cohere = model(&[
        ("COHERE_API_KEY", " c-key "),
        ("COHERE_MODEL", " command-r7b-12-2024 "),
        ("COHERE_TEMPERATURE", "1"),
        ("COHERE_BASE_URL", "http://127.0.0.1:9/cohere/"),
    ]);
    assert_eq!((key(&cohere), cohere.model.as_str()), (Some("c-key"), "command-r7b-12-2024"));
    assert_eq!((cohere.temperature, cohere.base_url.as_str()), (Some(1.0), "http://127.0.0.1:9/cohere/"));

    let openai = model(&[OPENAI, MODEL, LOCAL, ("OPENAI_TEMPERATURE", "0")]);
    assert_eq!((key(&openai), openai.temperature), (Some("o-key"), Some(0.0)));
}

#[test]
fn history_time_and_fallback_have_defaults_and_bounds_that_are_taken() {
    let AssistantSettings { fallback, history_tokens, timeout, .. } = assistant(&[]);
    assert_eq!((fallback, history_tokens, timeout), (Fallback::None, 8000, Duration::from_mins(2)));
    for (tokens, time, fallback, expected) in [
        ("500", "1s", "offline", (Fallback::Offline, 500, Duration::from_secs(1))),
        ("200000", "10m", "none", (Fallback::None, 200_000, Duration::from_mins(10))),
    ] {
        let set = assistant(&[("LLM_HISTORY_TOKENS", tokens), ("LLM_TIMEOUT", time), ("LLM_FALLBACK", fallback)]);
        assert_eq!((set.fallback, set.history_tokens, set.timeout), expected);
    }
}

#[test]
fn a_bad_value_is_refused_whoever_is_chosen() {
    let offline = ("LLM_PROVIDER", "offline");
    for bad in [("COHERE_BASE_URL", "x"), ("OPENAI_BASE_URL", "x"), ("OPENAI_API_KEY", "a b")] {
        let problems = problems(&[offline, bad]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(bad.0), "{problems:?}");
    }
}

#[test]
fn what_is_missing_is_told_without_what_is_there() {
    let told = problems(&[("LLM_PROVIDER", "openai"), ("OPENAI_API_KEY", "hunter2")]).join("\n");
    assert!(told.contains("OPENAI_MODEL") && !told.contains("hunter2"), "{told}");
}
