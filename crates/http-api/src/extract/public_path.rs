//! The path of the public URL, which a proxy removes from the paths of requests.

use actix_web::HttpRequest;
use actix_web::web::Data;
use url::Url;

/// The path of the public URL, without a trailing `/`; empty if it has none.
#[derive(Clone, Debug)]
pub(crate) struct PublicPath(String);

impl PublicPath {
    pub(crate) fn of(public: &Url) -> Self {
        Self(public.path().trim_end_matches('/').to_owned())
    }

    /// The text before the paths of this server in a response to `request`.
    pub(crate) fn prefix(request: &HttpRequest) -> &str {
        request.app_data::<Data<Self>>().map_or("", |path| path.0.as_str())
    }
}
