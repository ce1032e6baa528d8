//! The cookies that bind sign-ins to the browser that started them. Each attempt has its own, so that several tabs can sign
//! in at once.

use actix_web::http::header::{COOKIE, HeaderMap};
use domain::secret::SecretKind;

/// Start of every name. The rest is the start of the state.
const PREFIX: &str = "doable_sign_in_";
/// Characters of the state in a name: 48 random bits.
const STATE_LENGTH: usize = 8;
/// Maximum number of cookies of one browser. A cookie has about 600 bytes, and proxies accept a header of 8 KB.
const MAX_ATTEMPTS: usize = 8;

/// The name of the cookie of the attempt with this state. Any text gives a valid name.
pub(super) fn name(state: &str) -> String {
    let random = state.strip_prefix(SecretKind::State.prefix()).unwrap_or_default();
    format!("{PREFIX}{}", random.chars().take_while(|c| is_allowed(*c)).take(STATE_LENGTH).collect::<String>())
}

/// The value of the cookie with this name.
pub(super) fn value(headers: &HeaderMap, name: &str) -> Option<String> {
    cookies(headers).find(|(found, _)| *found == name).map(|(_, value)| value.to_owned())
}

/// The names of the oldest attempts that the browser must forget before it gets another cookie. Browsers send older cookies
/// first (RFC 6265, 5.4).
pub(super) fn surplus(headers: &HeaderMap) -> Vec<String> {
    let is_own = |name: &&str| {
        let state = name.strip_prefix(PREFIX).filter(|state| (1..=STATE_LENGTH).contains(&state.len()));
        state.is_some_and(|state| state.chars().all(is_allowed))
    };
    let names: Vec<&str> = cookies(headers).map(|(name, _)| name).filter(is_own).collect();
    let surplus = (names.len() + 1).saturating_sub(MAX_ATTEMPTS);
    names.into_iter().take(surplus).map(str::to_owned).collect()
}

/// Characters of base64url.
fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// The cookies of a request. Malformed ones of other programs on this host are skipped.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let cookies = headers.get_all(COOKIE).flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    cookies.filter_map(|cookie| str::from_utf8(cookie).ok()?.trim().split_once('='))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn name_is_made_of_the_state_and_is_always_valid() {
        assert_eq!(name("dbls_AbC-_123456789"), "doable_sign_in_AbC-_123");
        for (state, expected) in
            [("", ""), ("dbls_", ""), ("AbC", ""), ("dbls_a;b=c", "a"), ("dbls_a\r\nb", "a"), ("dbls_\u{e4}", "")]
        {
            assert_eq!(name(state), format!("doable_sign_in_{expected}"), "{state}");
        }
    }

    #[test]
    fn cookie_is_found_among_malformed_ones() {
        let headers = headers(&["a; =; b=%ff; \u{e4}=1", "=x; doable_sign_in_1=e.f==; doable_sign_in_12=g"]);
        assert_eq!(value(&headers, "doable_sign_in_1").as_deref(), Some("e.f=="));
        assert_eq!(value(&headers, "doable_sign_in_12").as_deref(), Some("g"));
        assert_eq!(value(&headers, "doable_sign_in_"), None);
    }

    #[test]
    fn oldest_attempts_are_forgotten_beyond_eight() {
        let attempts =
            |count: usize| (0..count).map(|n| format!("doable_sign_in_{n}=x")).collect::<Vec<_>>().join("; ");
        for (count, surplus_names) in [(0, 0..0), (7, 0..0), (8, 0..1), (12, 0..5)] {
            let expected: Vec<String> = surplus_names.map(|n| format!("doable_sign_in_{n}")).collect();
            assert_eq!(surplus(&headers(&["other=1", &attempts(count)])), expected, "{count}");
        }
        let foreign = "doable_sign_in_=x; doable_sign_in_123456789=x; doable_sign_in_a b=x; doable_sign_inn=x";
        assert!(surplus(&headers(&[&attempts(7), foreign])).is_empty());
    }

    #[test]
    fn large_header_is_parsed_in_linear_time() {
        let text = "doable_sign_in_1=x;".repeat(7_000);
        assert_eq!(surplus(&headers(&[&text])).len(), 6_993);
    }
}
