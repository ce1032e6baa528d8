//! The choice of the assistant, and the settings that it requires.

use secrecy::ExposeSecret;

use super::super::tests::{derived, problems};
use super::*;

fn choice(variables: &[(&str, &str)]) -> AssistantChoice {
    derived(variables).assistant
}

/// The chosen provider's name.
fn chosen(variables: &[(&str, &str)]) -> &'static str {
    match choice(variables) {
        AssistantChoice::Offline => "offline",
        AssistantChoice::Cohere(_) => "cohere",
        AssistantChoice::OpenAi(_) => "openai",
    }
}

fn model(variables: &[(&str, &str)]) -> ModelSettings {
    match choice(variables) {
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
fn auto_chooses_cohere_with_a_key_then_openai_with_a_key_or_a_url_then_the_built_in_assistant() {
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
fn a_named_provider_is_chosen_regardless_of_other_settings() {
    let all = [COHERE, OPENAI, LOCAL, MODEL];
    for name in ["offline", "cohere", "openai", " openai "] {
        assert_eq!(chosen(&[&all[..], &[("LLM_PROVIDER", name)]].concat()), name.trim());
    }
}

#[test]
fn a_missing_setting_of_the_chosen_provider_is_reported() {
    for (variables, expected) in [
        (&[("LLM_PROVIDER", "cohere"), OPENAI][..], &["COHERE_API_KEY is required when LLM_PROVIDER=cohere"][..]),
        (
            &[("LLM_PROVIDER", "openai"), COHERE],
            &["OPENAI_API_KEY is required for OpenAI", "OPENAI_MODEL is required when LLM_PROVIDER=openai"],
        ),
        (&[("LLM_PROVIDER", "openai"), MODEL], &["OPENAI_API_KEY is required for OpenAI"]),
        (&[("OPENAI_BASE_URL", "https://eu.api.openai.com/v1"), MODEL], &["OPENAI_API_KEY is required for OpenAI"]),
        (&[OPENAI], &["OPENAI_MODEL is required when LLM_PROVIDER=openai"]),
        (&[LOCAL], &["OPENAI_MODEL is required when LLM_PROVIDER=openai"]),
    ] {
        let problems = problems(variables);
        assert_eq!(problems.len(), expected.len(), "{problems:?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{problem}");
        }
    }
}

#[test]
fn a_compatible_server_needs_no_key() {
    let local = model(&[LOCAL, MODEL]);
    assert_eq!((local.base_url.as_str(), key(&local)), ("http://localhost:11434/v1", None));
    assert_eq!((local.model.as_str(), local.temperature), ("qwen3:8b", None));
    // A host whose name contains that of OpenAI.
    assert_eq!(chosen(&[("OPENAI_BASE_URL", "https://notapi.openai.com.example.com/v1"), MODEL]), "openai");
}

#[test]
fn the_defaults_are_the_url_and_model_of_the_vendor() {
    let cohere = model(&[COHERE]);
    assert_eq!((cohere.base_url.as_str(), cohere.model.as_str()), ("https://api.cohere.com/", "command-a-03-2025"));
    assert_eq!((key(&cohere), cohere.temperature), (Some("c-key"), Some(0.3)));
    assert_eq!(model(&[OPENAI, MODEL]).base_url.as_str(), "https://api.openai.com/v1");
}

#[test]
fn every_setting_of_a_provider_is_used() {
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
fn an_invalid_value_is_reported_even_if_its_provider_is_not_chosen() {
    let offline = ("LLM_PROVIDER", "offline");
    for invalid in [("COHERE_BASE_URL", "x"), ("OPENAI_BASE_URL", "x"), ("OPENAI_API_KEY", "a b")] {
        let problems = problems(&[offline, invalid]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with(invalid.0), "{problems:?}");
    }
}

#[test]
fn a_missing_setting_is_reported_without_the_values_of_others() {
    let message = problems(&[("LLM_PROVIDER", "openai"), ("OPENAI_API_KEY", "hunter2")]).join("\n");
    assert!(message.contains("OPENAI_MODEL") && !message.contains("hunter2"), "{message}");
}
