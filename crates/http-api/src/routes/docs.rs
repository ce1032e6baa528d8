//! The documentation of the API: `/openapi.json` for programs, `/docs` for people. The page is Swagger UI, embedded in the
//! binary; its content security policy forbids loading anything else.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use utoipa::IntoParams;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};
use utoipa_swagger_ui::Config;

use crate::extract::public_path::PublicPath;
use crate::problem::{ApiError, RequestError};

/// The OpenAPI document, as JSON, without `servers`.
pub(crate) struct Document(pub(crate) &'static LazyLock<String>);

/// The files of the page: [`START`] and Swagger UI's.
pub(crate) const FILES: [&str; 5] =
    [START.0, "favicon-32x32.png", "index.css", "swagger-ui-bundle.js", "swagger-ui.css"];

/// The script that starts the page, in its own file, because the policy forbids inline scripts. `{base}` stands for the path
/// of the public URL, here and in the page.
const START: (&str, &str) = (
    "start.js",
    r##"window.ui = SwaggerUIBundle({
  url: "{base}/openapi.json",
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
<link rel="icon" type="image/png" href="{base}/docs/favicon-32x32.png">
<link rel="stylesheet" href="{base}/docs/swagger-ui.css">
<link rel="stylesheet" href="{base}/docs/index.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="{base}/docs/swagger-ui-bundle.js"></script>
<script src="{base}/docs/start.js"></script>
</body>
</html>
"#;

/// The content security policy of the page: its own scripts, styles and images, and requests to this API.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The page changes only with the version of the server.
const CACHE: &str = "public, max-age=3600";

/// Path parameters of a file of the page.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "it describes the path parameter in the OpenAPI document")]
pub(crate) struct FilePath {
    /// The name of the file.
    #[param(schema_with = file_names)]
    file: String,
}

fn file_names() -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(FILES)).build()
}

/// Get the OpenAPI document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "Documentation", operation_id = "openapi",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = serde_json::Value)),
)]
pub(crate) async fn openapi(document: Data<Document>, request: HttpRequest) -> HttpResponse {
    // An empty URL would be the document itself.
    let base = Some(PublicPath::prefix(&request)).filter(|base| !base.is_empty()).unwrap_or("/");
    let start = format!(r#"{{"servers":{},"#, json!([{ "url": base }]));
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(document.0.replacen('{', &start, 1))
}

/// Browse the API in Swagger UI.
#[utoipa::path(
    get, path = "/docs", tag = "Documentation", operation_id = "docs",
    responses((status = 200, description = "The page.", body = String, content_type = "text/html; charset=utf-8")),
)]
pub(crate) async fn page(request: HttpRequest) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((CACHE_CONTROL, CACHE))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(PAGE.replace("{base}", PublicPath::prefix(&request)))
}

/// Get a file of the page.
#[utoipa::path(
    get, path = "/docs/{file}", tag = "Documentation", operation_id = "docs_file", params(FilePath),
    responses((status = 200, description = "The file.", content(
        (String = "text/css"), (String = "text/javascript"), (Vec<u8> = "image/png")),
        headers(("Content-Encoding" = Option<String>, description = "`gzip`, for the files of Swagger UI.")))),
)]
pub(crate) async fn file(name: Path<String>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, CACHE)).insert_header((CONTENT_SECURITY_POLICY, POLICY));
    if name.as_str() == START.0 {
        let script = START.1.replace("{base}", PublicPath::prefix(&request));
        return Ok(response.content_type("text/javascript").body(script));
    }
    let name = FILES.into_iter().find(|file| *file == name.as_str()).ok_or(RequestError::RouteNotFound)?;
    let config = Arc::new(Config::from(""));
    let file =
        utoipa_swagger_ui::serve(name, config).map_err(|error| ApiError::Internal(format!("{name}: {error}")))?;
    let file = file.ok_or(RequestError::RouteNotFound)?;
    if file.gzpipped {
        response.insert_header((CONTENT_ENCODING, "gzip"));
    }
    Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
}
