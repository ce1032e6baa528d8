//! The choice of the assistant, and the settings that the chosen one requires.

#[cfg(test)]
mod tests;

use llm::OpenAi;
use secrecy::SecretString;
use url::Url;

use super::problems::Problems;
use super::value::{ProviderName, web_url};
use super::{AssistantSettings, CohereSettings, OpenAiSettings};

/// The assistant that answers.
#[derive(Clone, Debug)]
pub enum AssistantChoice {
    /// The built-in assistant.
    Offline,
    /// Cohere; the key is present.
    Cohere(ModelSettings),
    /// OpenAI or a compatible server.
    OpenAi(ModelSettings),
}

/// A model on a server.
#[derive(Clone, Debug)]
pub struct ModelSettings {
    /// `…_BASE_URL`.
    pub base_url: Url,
    /// `…_API_KEY`.
    pub key: Option<SecretString>,
    /// `…_MODEL`.
    pub model: String,
    /// `…_TEMPERATURE`; the server's default if absent.
    pub temperature: Option<f32>,
}

impl AssistantSettings {
    pub(super) fn choose(&self, problems: &mut Problems) -> Option<AssistantChoice> {
        let Self { cohere, openai, .. } = self;
        let provider = match self.llm_provider {
            ProviderName::Auto if cohere.cohere_api_key.is_some() => ProviderName::Cohere,
            ProviderName::Auto if openai.openai_api_key.is_some() || openai.openai_base_url.is_some() => {
                ProviderName::OpenAi
            }
            name => name,
        };
        match provider {
            ProviderName::Auto | ProviderName::Offline => Some(AssistantChoice::Offline),
            ProviderName::Cohere => choose_cohere(cohere, problems).map(AssistantChoice::Cohere),
            ProviderName::OpenAi => choose_openai(openai, problems).map(AssistantChoice::OpenAi),
        }
    }
}

fn choose_cohere(settings: &CohereSettings, problems: &mut Problems) -> Option<ModelSettings> {
    let CohereSettings { cohere_api_key, cohere_model, cohere_temperature, cohere_base_url } = settings.clone();
    let key = problems.require("COHERE_API_KEY", cohere_api_key, "when LLM_PROVIDER=cohere");
    let temperature = Some(cohere_temperature);
    Some(ModelSettings { base_url: cohere_base_url, key: Some(key?), model: cohere_model, temperature })
}

fn choose_openai(settings: &OpenAiSettings, problems: &mut Problems) -> Option<ModelSettings> {
    let OpenAiSettings { openai_api_key: key, openai_base_url, openai_model, openai_temperature } = settings.clone();
    let base_url =
        problems.check("OPENAI_BASE_URL", openai_base_url.map_or_else(|| web_url(OpenAi::DEFAULT_BASE_URL), Ok))?;
    let is_openai =
        base_url.host_str().is_some_and(|host| host == "api.openai.com" || host.ends_with(".api.openai.com"));
    if is_openai {
        problems.require("OPENAI_API_KEY", key.as_ref(), "for OpenAI; for a server without a key, set OPENAI_BASE_URL");
    }
    // There is no default: each server has its own models, and OpenAI retires its models.
    let model =
        problems.require("OPENAI_MODEL", openai_model, "when LLM_PROVIDER=openai: a model that supports tool calls");
    Some(ModelSettings { base_url, key, model: model?, temperature: openai_temperature })
}
