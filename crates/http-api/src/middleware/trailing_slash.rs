//! A trailing slash is the same path. Unlike `NormalizePath` of actix-web, this leaves repeated slashes as they are.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;

/// Collections that can be deleted as a whole.
const DELETED_WHOLE: [&str; 2] = ["/trash", "/sessions"];

/// Middleware: removes one trailing slash from the path.
pub(crate) async fn remove<B: MessageBody>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    // `DELETE /trash/` is more likely the deletion of an item with an empty id than that of the whole trash, so it stays an
    // unknown path.
    let is_item =
        |uri: &Uri| *request.method() == Method::DELETE && DELETED_WHOLE.iter().any(|end| uri.path().ends_with(end));
    if let Some(uri) = without_slash(request.uri()).filter(|uri| !is_item(uri)) {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    next.call(request).await
}

/// The address without its trailing slash; `None` if it has none or is the root.
fn without_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|path| !path.is_empty())?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{path}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}
