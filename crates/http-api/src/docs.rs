//! The documentation of the API: `/openapi.json` for programs, `/docs` for people. The page is Swagger UI from this
//! binary: it loads nothing from elsewhere, and its policy forbids that it could.

use std::sync::{Arc, LazyLock};

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::Path;
use utoipa_swagger_ui::Config;

use crate::error::{ApiError, RequestError};
use crate::openapi;

/// The files that the page is made of: [`START`] and Swagger UI's.
pub(crate) const FILES: [&str; 5] =
    [START.0, "favicon-32x32.png", "index.css", "swagger-ui-bundle.js", "swagger-ui.css"];

/// The script that starts the page, in a file of its own, because the policy lets no inline script run.
const START: (&str, &str) = (
    "start.js",
    r##"window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  validatorUrl: null,
});
"##,
);

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Doable API</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="stylesheet" href="/docs/index.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"#;

/// What the page may do: run its own scripts, use its own styles and icons, and call the API it stands beside.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page changes with the server only, so a browser need not ask for it all the time.
const KEEP: &str = "public, max-age=3600";

static DOCUMENT: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());

/// Get this document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Documentation", operation_id = "openapi",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value)),
)]
pub(crate) async fn openapi() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(DOCUMENT.as_str())
}

/// Read this document in a browser.
#[utoipa::path(
    get, path = "/docs", tag = "Documentation", operation_id = "docs",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html; charset=utf-8")),
)]
pub(crate) async fn page() -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CACHE_CONTROL, KEEP))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(PAGE)
}

/// Get a file of the page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "Documentation", operation_id = "docs_file",
    responses((status = 200, description = "The file.", content(
        (String = "text/css"), (String = "text/javascript"), (Vec<u8> = "image/png")),
        headers(("Content-Encoding" = Option<String>, description = "`gzip`, for those of Swagger UI.")))),
)]
pub(crate) async fn file(name: Path<String>) -> Result<HttpResponse, ApiError> {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((CACHE_CONTROL, KEEP)).insert_header((CONTENT_SECURITY_POLICY, POLICY));
    if name.as_str() == START.0 {
        return Ok(answer.content_type("text/javascript").body(START.1));
    }
    let name = FILES.into_iter().find(|file| *file == name.as_str()).ok_or(RequestError::NoRoute)?;
    let none = Arc::new(Config::from(""));
    let file = utoipa_swagger_ui::serve(name, none).map_err(|error| ApiError::Defect(format!("{name}: {error}")))?;
    let file = file.ok_or(RequestError::NoRoute)?;
    if file.gzpipped {
        answer.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(answer.content_type(file.content_type).body(file.bytes.into_owned()))
}
