//! Checks of the services that the server calls: the model's provider and the OpenID provider.

use std::sync::Arc;

use domain::account::IdentityProviderError;
use domain::llm::{LlmClient, LlmError, LlmMessage, LlmRequest, collect};
use domain::runtime::{Clock, IdGenerator as _, Timer, with_causes};

use crate::application::public_part;
use crate::runtime::{SystemClock, TokioTimer, UuidGenerator};
use crate::settings::{AssistantChoice, AssistantSettings, DerivedSettings, LimitSettings, ModelSettings};
use crate::wiring;

use super::report::Report;

/// Asks the model for a word, by the client that the server uses: that takes the key, the model and the address.
pub(super) async fn check_provider(report: &mut Report, settings: &AssistantSettings, choice: &AssistantChoice) {
    let (key, url, model) = match choice {
        AssistantChoice::Offline => return report.good("provider", "the built-in assistant needs none"),
        AssistantChoice::Cohere(model) => ("COHERE_API_KEY", "COHERE_BASE_URL", model),
        AssistantChoice::OpenAi(model) => ("OPENAI_API_KEY", "OPENAI_BASE_URL", model),
    };
    let ModelSettings { base_url, model, .. } = model;
    let client = match wiring::provider(choice) {
        Ok(Some(client)) => client,
        Ok(None) => return,
        Err(error) => return report.problem("provider", format!("{error:#}"), format!("Correct {url} and {key}.")),
    };
    let address = public_part(base_url);
    let answer = tokio::time::timeout(settings.llm_timeout, ask(client.as_ref())).await;
    let error = match answer {
        Ok(Ok(())) => return report.good("provider", format!("{model} at {address} answers")),
        Ok(Err(error)) => error,
        Err(elapsed) => LlmError::Timeout(elapsed.into()),
    };
    let text = format!("{model} at {address}: {}", with_causes(&error));
    let network = format!(
        "Check {url} and the way to it: DNS, firewall (proxies of the environment are not used). LLM_FALLBACK=offline answers \
         meanwhile."
    );
    match error {
        LlmError::Unauthorized(_) => {
            report.problem(
                "provider",
                text,
                format!("Set {key} to a valid key of this provider that may use the model."),
            );
        }
        LlmError::ModelRetired { setting, .. } => {
            report.problem("provider", text, format!("Set {setting} to a model that the provider has."));
        }
        LlmError::RateLimited { .. } => {
            report.warning("provider", text, "Wait, or raise the limits of the key at the provider.");
        }
        LlmError::QuotaExhausted(_) => {
            report.problem(
                "provider",
                text,
                "Raise the quota of the key at the provider, or wait until it is renewed.",
            );
        }
        LlmError::Timeout(_) | LlmError::Unavailable(_) => report.problem("provider", text, network),
        LlmError::BadReply(_) => {
            let advice =
                format!("Check that {url} is the base URL of this kind of provider; docs/providers.md lists them.");
            report.problem("provider", text, advice);
        }
    }
}

async fn ask(client: &dyn LlmClient) -> Result<(), LlmError> {
    let request = LlmRequest {
        system: "Reply with one word.".to_owned(),
        messages: vec![LlmMessage::User { text: "Say ok.".to_owned() }],
        tools: Vec::new().into(),
    };
    collect(client.respond(request).await?).await.map(drop)
}

/// Connects to the counts of rate limits and asks for one, as the server does.
pub(super) async fn check_rate_limits(report: &mut Report, settings: &LimitSettings) {
    let Some(url) = &settings.redis_url else {
        return report.good("rate limits", "each process counts for itself (REDIS_URL is not set)");
    };
    let timer: Arc<dyn Timer> = Arc::new(TokioTimer::default());
    // Any secret will do, because no action is counted.
    let limiter = match wiring::shared_limiter(settings, [0; 32], &timer) {
        Ok(Some(limiter)) => limiter,
        Ok(None) => return,
        Err(error) => return report.problem("rate limits", format!("{error:#}"), "Correct REDIS_URL."),
    };
    let connecting = tokio::spawn(limiter.clone().stay_connected());
    limiter.attempted().await;
    connecting.abort();
    if limiter.is_connected() {
        report.good("rate limits", format!("{} keeps the counts", url.description()));
    } else {
        let advice = "Start the server, or correct host, port and password in REDIS_URL. docs/operations/rate-limits.md lists \
                      the rights that its user needs; the log of `app` has the server's own words.";
        report.problem("rate limits", format!("{} cannot be used", url.description()), advice);
    }
}

/// Begins a sign-in that nobody continues: that fetches and checks the provider's metadata and keys.
pub(super) async fn check_sign_in(report: &mut Report, derived: &DerivedSettings) {
    let Some(client) = &derived.oauth_client else {
        return report.good("sign-in", "by password only (GOOGLE_CLIENT_ID is not set)");
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let timer: Arc<dyn Timer> = Arc::new(TokioTimer::default());
    let provider = match wiring::identity_provider(derived, &clock, &timer) {
        Ok(Some(provider)) => provider,
        Ok(None) => return,
        Err(error) => {
            return report.problem("sign-in", format!("{error:#}"), "Correct GOOGLE_ISSUER_URL and PUBLIC_URL.");
        }
    };
    let issuer = &client.issuer;
    let state = UuidGenerator.next().to_string();
    match provider.begin(state.into()).await {
        Ok(_) => report.good("sign-in", format!("{} at {issuer} answers", client.name)),
        Err(error @ IdentityProviderError::Unavailable(_)) => {
            let text = format!("{issuer}: {}", with_causes(&error));
            report.problem("sign-in", text, "Correct GOOGLE_ISSUER_URL, or open the way to it: DNS, firewall.");
        }
        Err(error @ IdentityProviderError::Refused(_)) => {
            let text = format!("{issuer}: {}", with_causes(&error));
            let advice = "Set GOOGLE_ISSUER_URL to exactly the `issuer` that the provider's \
                          /.well-known/openid-configuration has.";
            report.problem("sign-in", text, advice);
        }
    }
}
