//! The assistant's settings: who answers, where that is and with which key, and how long it may take.
//!
//! Every value is checked, whoever is chosen; what must not be missing is asked of the chosen one alone. Deliberately
//! not here: making the assistant, which is the wiring's.

#[cfg(test)]
mod tests;

use std::time::Duration;

use llm::OpenAi;
use secrecy::SecretString;
use url::Url;

use super::value::{self, ProviderName, ValueError};
use super::{AssistantArgs, CohereArgs, OpenAiArgs, Problems};

/// Which assistant answers.
#[derive(Clone, Debug)]
pub struct AssistantSettings {
    /// Who it is: `LLM_PROVIDER`, with `auto` decided.
    pub choice: AssistantChoice,
    /// Who answers when that one cannot: `LLM_FALLBACK`.
    pub fallback: Fallback,
    /// How much of a conversation it is told, in estimated tokens, 500 to 200,000: `LLM_HISTORY_TOKENS`.
    pub history_tokens: usize,
    /// How long one reply may take, retries included, 1 s to 10 min: `LLM_TIMEOUT`.
    pub timeout: Duration,
    /// Maximum number of existing tasks that a turn deletes or overwrites without a confirmation: `CHAT_CONFIRM_ABOVE`.
    pub confirm_above: usize,
}

/// Who answers.
#[derive(Clone, Debug)]
pub enum AssistantChoice {
    /// The built-in assistant, which needs no key and no network.
    Offline,
    /// Cohere: `COHERE_…`. It has a key.
    Cohere(ModelSettings),
    /// OpenAI, or a server that speaks like it: `OPENAI_…`.
    OpenAi(ModelSettings),
}

/// A model on a server.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// The server's address: `…_BASE_URL`.
    pub base_url: Url,
    /// The server's key: `…_API_KEY`.
    pub key: Option<SecretString>,
    /// The model's name: `…_MODEL`.
    pub model: String,
    /// How freely it chooses its words; the server's own choice if unset: `…_TEMPERATURE`.
    pub temperature: Option<f32>,
}

/// Who answers when the assistant cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Nobody: the chat says that it cannot answer.
    None,
    /// The built-in assistant.
    Offline,
}

/// What is set of OpenAI or a server like it.
struct OpenAiValues {
    base_url: Option<Url>,
    key: Option<SecretString>,
    model: Option<String>,
    temperature: Option<f32>,
}

// As in the settings' own readers, everything is read before the first `?`.

pub(super) fn read(args: &AssistantArgs, problems: &mut Problems) -> Option<AssistantSettings> {
    let provider = problems.read("LLM_PROVIDER", value::provider(&args.llm_provider));
    let fallback = problems.read("LLM_FALLBACK", value::fallback(&args.llm_fallback));
    let history_tokens = problems.read("LLM_HISTORY_TOKENS", value::history_tokens(&args.llm_history_tokens));
    let timeout = problems.read("LLM_TIMEOUT", value::reply_time(&args.llm_timeout));
    let confirm_above = problems.read("CHAT_CONFIRM_ABOVE", value::task_count(&args.chat_confirm_above));
    let cohere = read_cohere(&args.cohere, problems);
    let openai = read_openai(&args.openai, problems);
    let choice = choose(provider?, cohere?, openai?, problems);
    Some(AssistantSettings {
        choice: choice?,
        fallback: fallback?,
        history_tokens: history_tokens?,
        timeout: timeout?,
        confirm_above: confirm_above?,
    })
}

fn read_cohere(args: &CohereArgs, problems: &mut Problems) -> Option<ModelSettings> {
    let key = problems.read("COHERE_API_KEY", value::api_key(args.cohere_api_key.as_deref()));
    let model = problems.read("COHERE_MODEL", value::model(&args.cohere_model));
    let temperature = problems.read("COHERE_TEMPERATURE", value::cohere_temperature(&args.cohere_temperature));
    let base_url = problems.read("COHERE_BASE_URL", value::server_address(&args.cohere_base_url));
    Some(ModelSettings { base_url: base_url?, key: key?, model: model?, temperature: Some(temperature?) })
}

fn read_openai(args: &OpenAiArgs, problems: &mut Problems) -> Option<OpenAiValues> {
    let key = problems.read("OPENAI_API_KEY", value::api_key(args.openai_api_key.as_deref()));
    let base_url = value::given(args.openai_base_url.as_deref()).map(value::server_address).transpose();
    let base_url = problems.read("OPENAI_BASE_URL", base_url);
    let model = value::given(args.openai_model.as_deref()).map(value::model).transpose();
    let model = problems.read("OPENAI_MODEL", model);
    let temperature = value::given(args.openai_temperature.as_deref()).map(value::openai_temperature).transpose();
    let temperature = problems.read("OPENAI_TEMPERATURE", temperature);
    Some(OpenAiValues { base_url: base_url?, key: key?, model: model?, temperature: temperature? })
}

fn choose(
    provider: ProviderName,
    cohere: ModelSettings,
    openai: OpenAiValues,
    problems: &mut Problems,
) -> Option<AssistantChoice> {
    let provider = match provider {
        ProviderName::Auto if cohere.key.is_some() => ProviderName::Cohere,
        ProviderName::Auto if openai.key.is_some() || openai.base_url.is_some() => ProviderName::OpenAi,
        chosen => chosen,
    };
    match provider {
        ProviderName::Auto | ProviderName::Offline => Some(AssistantChoice::Offline),
        ProviderName::Cohere => {
            let missing = ValueError::Missing("LLM_PROVIDER is cohere, which answers nobody without a key");
            problems.read("COHERE_API_KEY", cohere.key.as_ref().ok_or(missing))?;
            Some(AssistantChoice::Cohere(cohere))
        }
        ProviderName::OpenAi => choose_openai(openai, problems).map(AssistantChoice::OpenAi),
    }
}

fn choose_openai(values: OpenAiValues, problems: &mut Problems) -> Option<ModelSettings> {
    let OpenAiValues { base_url, key, model, temperature } = values;
    let default = value::server_address(OpenAi::DEFAULT_BASE_URL);
    let base_url = problems.read("OPENAI_BASE_URL", base_url.map_or(default, Ok))?;
    let needs_key =
        base_url.host_str().is_some_and(|host| host == "api.openai.com" || host.ends_with(".api.openai.com"));
    if needs_key && key.is_none() {
        let missing = "OpenAI answers nobody without a key; OPENAI_BASE_URL names a server that needs none";
        problems.read::<()>("OPENAI_API_KEY", Err(ValueError::Missing(missing)));
    }
    // No default: what one server calls a model another does not have, and OpenAI itself removes its models in time.
    let missing = ValueError::Missing("every server has models of its own, and one that calls tools is needed");
    let model = problems.read("OPENAI_MODEL", model.ok_or(missing));
    Some(ModelSettings { base_url, key, model: model?, temperature })
}
