//! Error bodies as the providers document them.

use std::error::Error as _;

use serde_json::json;

use super::*;

fn mapper() -> ErrorMapper {
    ErrorMapper::new("command-x", "COHERE_MODEL", Some("sk-secret-secret".into()))
}

fn error(status: u16, body: &str) -> LlmError {
    mapper().map_response(status, ErrorBody::parse(body), None)
}

fn cause(error: &LlmError) -> String {
    error.source().unwrap().to_string()
}

#[test]
fn the_status_selects_the_error() {
    for status in [401, 403, 498] {
        assert!(matches!(error(status, "{}"), LlmError::Unauthorized(_)), "{status}");
    }
    for status in [408, 409, 500, 502, 503, 504, 529] {
        assert!(matches!(error(status, "{}"), LlmError::Unavailable(_)), "{status}");
    }
    for status in [301, 307, 400, 404, 413, 422] {
        assert!(matches!(error(status, "{}"), LlmError::BadReply(_)), "{status}");
    }
    assert!(matches!(error(402, ""), LlmError::QuotaExhausted(_)));
    assert!(matches!(error(429, ""), LlmError::RateLimited { retry_after: None, .. }));
}

#[test]
fn retry_after_is_kept_for_429_and_503() {
    let wait = Some(Duration::from_secs(7));
    let error = |status| mapper().map_response(status, ErrorBody::default(), wait);
    for status in [429, 503] {
        assert!(matches!(error(status), LlmError::RateLimited { retry_after, .. } if retry_after == wait), "{status}");
    }
    assert!(matches!(error(502), LlmError::Unavailable(_)));
}

#[test]
fn a_quota_that_is_used_up_is_no_rate_limit() {
    let trial = |limit: &str| {
        let message =
            format!("You are using a Trial key, which is limited to {limit}. You can continue to use it for free.");
        json!({ "message": message }).to_string()
    };
    let openai = json!({"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}});
    let xai = json!({"code": "exhausted", "error": "Your team has used all available credits or reached its monthly spending limit"});
    let deepseek =
        json!({"error": {"message": "Insufficient Balance", "type": "unknown_error", "code": "invalid_request_error"}});
    let gemini = json!([{"error": {"code": 429, "message": "You exceeded your current quota, retry in 34s", "status": "RESOURCE_EXHAUSTED"}}]);
    for (status, body) in [
        (429, trial("1000 API calls / month")),
        (429, openai.to_string()),
        (429, xai.to_string()),
        (403, xai.to_string()),
        (402, deepseek.to_string()),
    ] {
        let error = mapper().map_response(status, ErrorBody::parse(&body), Some(Duration::from_secs(1)));
        assert!(matches!(error, LlmError::QuotaExhausted(_)), "{body}: {error:?}");
        assert!(cause(&error).ends_with("[see billing and limits in the provider's console]"), "{}", cause(&error));
    }
    let in_reply = mapper().map_reply_error(ErrorBody::from_json(&openai));
    assert!(matches!(in_reply, LlmError::QuotaExhausted(_)), "{in_reply:?}");
    for body in [trial("20 API calls / minute"), gemini.to_string()] {
        let error = error(429, &body);
        assert!(matches!(error, LlmError::RateLimited { .. }), "{body}: {error:?}");
    }
}

#[test]
fn a_retired_model_is_reported_with_its_setting() {
    for (status, body) in [
        (404, r#"{"id":"1","message":"model 'command-x' was removed on September 15, 2025."}"#),
        (404, r#"{"error":{"code":"model_not_found","message":"no such thing"}}"#),
        (404, r#"{"error":{"message":"model \"command-x\" not found, try pulling it first","type":"api_error"}}"#),
        (404, r#"{"object":"error","message":"The model `command-x` does not exist.","type":"NotFoundError"}"#),
        (404, r#"{"error":{"message":"No endpoints found for command-x.","code":404}}"#),
        (400, r#"{"error":{"message":"command-x is not a valid model ID","code":400}}"#),
        (400, r#"{"error":{"message":"gone","type":"invalid_request_error","code":"model_decommissioned"}}"#),
    ] {
        let error = error(status, body);
        assert!(matches!(error, LlmError::ModelRetired { .. }), "{body}: {error:?}");
        assert_eq!(error.to_string(), "the provider does not have the model 'command-x' (setting COHERE_MODEL)");
    }
    for (status, body) in [(404, "404 page not found"), (404, ""), (400, r#"{"message":"the model wants a message"}"#)]
    {
        assert!(matches!(error(status, body), LlmError::BadReply(_)), "{body}");
    }
}

#[test]
fn every_format_of_error_bodies_is_parsed() {
    let expected_body = |codes: &[&str], message: &str| ErrorBody {
        codes: codes.iter().map(|code| (*code).to_owned()).collect(),
        message: message.to_owned(),
    };
    for (body, expected) in [
        (r#"{"id":"1","message":"no"}"#, expected_body(&[], "no")),
        (r#"{"error":{"message":"no","type":"T","code":404}}"#, expected_body(&["404", "t"], "no")),
        (r#"{"error":"no","error_type":"overloaded"}"#, expected_body(&["overloaded"], "no")),
        (r#"{"object":"error","message":"no","code":"c"}"#, expected_body(&["c"], "no")),
        (r#"{"detail":[{"loc":["body"]}]}"#, expected_body(&[], r#"[{"loc":["body"]}]"#)),
        (r#"[{"error":{"message":"no"}}]"#, expected_body(&[], "no")),
        (" plain words ", expected_body(&[], "plain words")),
        ("", expected_body(&[], "")),
        ("[]", expected_body(&[], "")),
    ] {
        assert_eq!(ErrorBody::parse(body), expected, "{body}");
    }
}

#[test]
fn the_cause_contains_the_message_redacted_and_truncated() {
    let bad = error(400, r#"{"error":{"message":"no use of sk-secret-secret\n","code":"sk-secret-secret"}}"#);
    assert_eq!(cause(&bad), "HTTP status 400 ([key]): no use of [key] ");
    let long = error(500, &"ä".repeat(10_000));
    assert_eq!(cause(&long), format!("HTTP status 500: {}", "ä".repeat(MAX_MESSAGE_CHARS)));
    assert!(!format!("{bad:?}{:?}", mapper()).contains("secret-secret"));
}

#[test]
fn the_cause_contains_a_hint_if_the_reason_is_known() {
    let (url, tokens) = ("[the base URL may be wrong]", "[LLM_HISTORY_TOKENS may be too high for this model]");
    let tools = "[a model that supports tool calls is required: see COHERE_MODEL]";
    for (status, body, hint) in [
        (404, "404 page not found", url),
        (404, "", url),
        (405, r#"{"detail":"Method Not Allowed"}"#, url),
        (400, r#"{"error":{"message":"no","code":"context_length_exceeded"}}"#, tokens),
        (400, r#"{"message":"This model's maximum context length is 8192 tokens."}"#, tokens),
        (400, r#"{"error":{"message":"the request exceeds the available context size","type":"x"}}"#, tokens),
        (400, r#"{"message":"too many tokens: the prompt cannot exceed 4081"}"#, tokens),
        (413, r#"{"error":{"message":"prompt is too long: 210000 tokens"}}"#, tokens),
        (400, r#"{"error":{"message":"registry/library/gemma:2b does not support tools"}}"#, tools),
        (404, r#"{"error":{"message":"No endpoints found that support tool use.","code":404}}"#, tools),
    ] {
        let error = error(status, body);
        assert!(matches!(error, LlmError::BadReply(_)), "{body}: {error:?}");
        assert!(cause(&error).ends_with(hint), "{body}: {}", cause(&error));
    }
    for (status, body) in [
        (404, r#"{"message":"model 'command-x' was removed"}"#),
        (400, r#"{"message":"the tool is broken"}"#),
        (400, r#"{"message":"images are not supported"}"#),
        (429, r#"{"message":"too many tokens in this minute"}"#),
        (500, r#"{"message":"tools are not supported"}"#),
    ] {
        assert!(!cause(&error(status, body)).contains('['), "{body}: {}", cause(&error(status, body)));
    }
    let in_reply = mapper().map_reply_error(ErrorBody::parse(r#"{"error":{"code":404,"message":"no"}}"#));
    assert_eq!(cause(&in_reply), "an error inside the reply (404): no");
}

#[test]
fn the_cause_contains_retry_after() {
    let limited = mapper().map_response(429, ErrorBody::parse("slow down"), Some(Duration::from_secs(7)));
    assert_eq!(cause(&limited), "HTTP status 429: slow down [retry after 7 s]");
    assert_eq!(cause(&error(429, "slow down")), "HTTP status 429: slow down");
}

#[test]
fn the_cause_of_a_redirect_contains_its_target_redacted_and_truncated() {
    let to = |location: &str| cause(&mapper().map_redirect(308, Some(location)));
    let expected = "HTTP status 308 [redirects are not followed to https://a.example/[key]: the base URL may be wrong]";
    assert_eq!(to("https://a.example/sk-secret-secret"), expected);
    assert!(to(&"x".repeat(10_000)).len() < MAX_MESSAGE_CHARS + 100);
    let without_target = "HTTP status 308 [redirects are not followed: the base URL may be wrong]";
    assert_eq!(cause(&mapper().map_redirect(308, None)), without_target);
}

#[test]
fn the_message_of_a_refused_key_is_omitted() {
    let refused = error(401, r#"{"error":{"message":"Incorrect API key: sk-se****cret"}}"#);
    assert_eq!(cause(&refused), "HTTP status 401");
}

#[test]
fn retry_after_is_seconds_or_a_date_and_is_capped() {
    let now = SystemTime::UNIX_EPOCH;
    let after = |value: &str, date: Option<&str>| parse_retry_after(value, date, now).map(|wait| wait.as_secs());
    assert_eq!(after("0", None), Some(0));
    assert_eq!(after(" 17 ", None), Some(17));
    assert_eq!(after("99999999999999999999999", None), Some(MAX_RETRY_AFTER.as_secs()));
    let (noon, later) = ("Sun, 06 Nov 1994 12:00:00 GMT", "Sun, 06 Nov 1994 12:00:30 GMT");
    assert_eq!(after(later, Some(noon)), Some(30));
    assert_eq!(after(noon, Some(later)), Some(0));
    assert_eq!(after("Thu, 01 Jan 1970 00:00:09 GMT", None), Some(9));
    assert_eq!(after("Thu, 01 Jan 1970 00:00:09 GMT", Some("invalid")), Some(9));
    for invalid in ["", "-1", "1.5", "soon", "١٢"] {
        assert_eq!(after(invalid, None), None, "{invalid}");
    }
}
