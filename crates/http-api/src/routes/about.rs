//! `/about`: what a client can know of the server before anybody has signed in.

use actix_web::HttpResponse;
use actix_web::web::Data;
use domain::account::{AccountService, SignUps};
use domain::chat::ChatService;
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

/// The server.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = About)]
pub(crate) struct AboutBody {
    /// The version of the server.
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    /// Who may create an account: `open` (everybody), `closed` (nobody), or `restricted` (some mail domains).
    #[schema(value_type = String, example = "open")]
    signups: &'static str,
    /// The ways to sign in.
    sign_in: Vec<SignInBody>,
    /// The assistant.
    assistant: AssistantBody,
}

/// A way to sign in.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SignIn)]
struct SignInBody {
    /// `password` (`POST` email and password to `url`), or `openid` (open `url` in the browser).
    #[schema(value_type = String, example = "password")]
    kind: &'static str,
    /// The address, as a reference that is resolved against the address of this document.
    #[schema(format = "uri-reference", example = "/auth/login")]
    url: String,
    /// The name of the OpenID provider, for a button.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Google")]
    name: Option<String>,
}

/// The assistant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Assistant)]
struct AssistantBody {
    /// `cohere`, `openai` (OpenAI or a compatible server) or `offline` (built in).
    #[schema(example = "offline")]
    kind: String,
}

impl AboutBody {
    /// Describes the server at `public`. `openid` is the name of the OpenID provider, if there is one.
    pub(crate) fn new(accounts: &AccountService, chat: &ChatService, public: &Url, openid: Option<String>) -> Self {
        // A path, because the public URL is the default one on many servers without external sign-in.
        let login = format!("{}/auth/login", public.path().trim_end_matches('/'));
        let mut sign_in = vec![SignInBody { kind: "password", url: login, name: None }];
        // The whole URL, because the cookie of a sign-in must be set by the host that the provider redirects to.
        let google = format!("{}/auth/google", public.as_str().trim_end_matches('/'));
        sign_in.extend(openid.map(|name| SignInBody { kind: "openid", url: google, name: Some(name) }));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            signups: match accounts.sign_ups() {
                SignUps::Open => "open",
                SignUps::Closed => "closed",
                // The domains may be nobody's business.
                SignUps::Domains(_) => "restricted",
            },
            sign_in,
            assistant: AssistantBody { kind: chat.provider().to_owned() },
        }
    }
}

/// Describe the server: its version, who may sign up, how to sign in, and the assistant.
#[utoipa::path(
    get, path = "/about", tag = "Documentation", operation_id = "about",
    responses((status = 200, description = "The server.", body = AboutBody)),
)]
pub(crate) async fn about(about: Data<AboutBody>) -> HttpResponse {
    HttpResponse::Ok().json(about.get_ref())
}
