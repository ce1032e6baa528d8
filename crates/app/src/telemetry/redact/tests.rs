//! What the last filter takes out, what it leaves, and that nothing is lost on the way.

use std::io::Write as _;
use std::sync::{Arc, LazyLock, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A secret that is in the text as it is written, once.
const MARK: &str = "Hunter-2_marked";

fn rules() -> &'static Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(|| Rules::new().unwrap());
    &RULES
}

fn json_line(fields: &Value) -> String {
    json!({ "timestamp": "2026-01-01T00:00:00Z", "level": "INFO", "fields": fields, "target": "app" }).to_string()
}

/// A text in which `MARK` stands for a secret, and the text without it.
const TOLD: [(&str, &str); 67] = [
    // What origin's filter catches: `(api[_-]?key|bearer)\s*[=:]\s*[\w-]+`.
    ("api_key=MARK", "api_key=[redacted]"),
    ("API-Key : MARK", "API-Key : [redacted]"),
    ("apikey  =  MARK", "apikey  =  [redacted]"),
    ("bearer: MARK", "bearer: [redacted]"),
    ("BEARER=MARK", "BEARER=[redacted]"),
    // Headers.
    ("Authorization: Bearer MARK", "Authorization: [redacted]"),
    ("authorization: Basic MARK==\r\nhost: x", "authorization: [redacted]\r\nhost: x"),
    (r#"authorization: Digest username="ada", response="MARK""#, "authorization: [redacted]"),
    (r#"{"authorization": "Bearer MARK", "host": "x"}"#, r#"{"authorization": "[redacted]", "host": "x"}"#),
    (r#"("authorization", "Bearer MARK")"#, r#"("authorization", "[redacted]")"#),
    (r#"[("x-api-key", "MARK"), ("host", "x")]"#, r#"[("x-api-key", "[redacted]"), ("host", "x")]"#),
    (r#""authorization": Value { inner: ["Bearer MARK"] }, "a""#, r#""authorization": [redacted], "a""#),
    ("x-api-key: MARK", "x-api-key: [redacted]"),
    ("Cookie: a=MARK; b=MARK\\r\\nHost: x", "Cookie: [redacted]\\r\\nHost: x"),
    (r#""set-cookie": "doable_sign_in=MARK; HttpOnly""#, r#""set-cookie": "[redacted]""#),
    ("Idempotency-Key: MARK", "Idempotency-Key: [redacted]"),
    ("sent Bearer MARK to it", "sent Bearer [redacted] to it"),
    ("sent\\nbearer MARK", "sent\\nbearer [redacted]"),
    ("Bearer%20MARK", "Bearer%20[redacted]"),
    ("sent Basic YWRhOk1BUks=", "sent Basic [redacted]"),
    // Settings.
    ("COHERE_API_KEY=MARK", "COHERE_API_KEY=[redacted]"),
    ("JWT_SECRET='MARK x'", "JWT_SECRET='[redacted]'"),
    ("the key sk-MARK is refused", "the key sk-[redacted] is refused"),
    ("the key\\nsk-MARK", "the key\\nsk-[redacted]"),
    ("GOCSPX-MARK", "GOCSPX-[redacted]"),
    // Tokens by their looks.
    ("it was dbl_MARK.", "it was dbl_[redacted]."),
    ("/auth/tokens/dblr_MARK", "/auth/tokens/dblr_[redacted]"),
    ("dblc_MARK, dbls_MARK", "dblc_[redacted], dbls_[redacted]"),
    ("it was eyJhbGciOiJI.eyJzdWIiOiJ.MARK!", "it was [redacted]!"),
    ("it was eyJhbGciOiJI.MARK cut", "it was [redacted] cut"),
    ("x$argon2id$v=19$m=1,t=1,p=1$MARK$MARK y", "x$argon2id$[redacted] y"),
    // Fields of Rust's values.
    (r#"Login { email: "ada", password: "MARK" }"#, r#"Login { email: "ada", password: "[redacted]" }"#),
    (r#"Login { password: Some("a \"MARK\" b"), x: 1 }"#, "Login { password: [redacted], x: 1 }"),
    (r#"Change { current_password: Password("MARK"), x: 1 }"#, "Change { current_password: [redacted], x: 1 }"),
    (r#"Password("MARK")"#, r#"Password("[redacted]")"#),
    (r#"secret: ["MARK", "(MARK"], x: 1"#, "secret: [redacted], x: 1"),
    (r#"password: b"MARK\x00", x: 1"#, r#"password: b"[redacted]", x: 1"#),
    (
        r#"Callback { code: Some("MARK"), state: Some("MARK"), error: None }"#,
        r#"Callback { code: Some("[redacted]"), state: Some("[redacted]"), error: None }"#,
    ),
    (
        r#"Attempt { nonce: "MARK", pkce_verifier: "MARK" }"#,
        r#"Attempt { nonce: "[redacted]", pkce_verifier: "[redacted]" }"#,
    ),
    ("Login { password: MARK, x: 1 }", "Login { password: [redacted], x: 1 }"),
    // Bodies.
    (r#"{"password":"MARK"}"#, r#"{"password":"[redacted]"}"#),
    (r#"{"password" : "a\"MARK","x":1}"#, r#"{"password" : "[redacted]","x":1}"#),
    (r#"{"password":"a\\","x":"b"}"#, r#"{"password":"[redacted]","x":"b"}"#),
    (r#"{"password":{"a":"}MARK"},"x":1}"#, r#"{"password":[redacted],"x":1}"#),
    (r#"{"password":12345678}"#, r#"{"password":[redacted]}"#),
    (
        r#"{"refresh_token":"MARK","access_token":"MARK","id_token":"MARK"}"#,
        r#"{"refresh_token":"[redacted]","access_token":"[redacted]","id_token":"[redacted]"}"#,
    ),
    (
        r#"{"clientSecret":"MARK","codeVerifier":"MARK"}"#,
        r#"{"clientSecret":"[redacted]","codeVerifier":"[redacted]"}"#,
    ),
    (r#"{"code":"MARK","state":"MARK"}"#, r#"{"code":"[redacted]","state":"[redacted]"}"#),
    (r#"{"code":["MARK"],"state":{"x":"MARK"}}"#, r#"{"code":[redacted],"state":[redacted]}"#),
    (r#"{\"password\":\"MARK\",\"x\":1}"#, r#"{\"password\":\"[redacted]\",\"x\":1}"#),
    (r#"{"password":"MARK"#, r#"{"password":"[redacted]"#),
    ("{'password': 'MARK'}", "{'password': '[redacted]'}"),
    ("{password:MARK}", "{password:[redacted]}"),
    // Queries and forms.
    ("/auth/google/callback?code=MARK&state=MARK", "/auth/google/callback?code=[redacted]&state=[redacted]"),
    ("/x?state=y&scope=a", "/x?state=[redacted]&scope=a"),
    ("code=plain&grant_type=x", "code=[redacted]&grant_type=x"),
    ("/x?a=1&access_token=MARK#top", "/x?a=1&access_token=[redacted]"),
    ("?next=%2Fx%3Fcode%3DMARK%26state%3DMARK&y=1", "?next=%2Fx%3Fcode%3D[redacted]%26state%3D[redacted]&y=1"),
    ("username=ada&password=MARK&client_secret=MARK", "username=ada&password=[redacted]&client_secret=[redacted]"),
    (r#"grant_type="refresh_token", code="MARK""#, r#"grant_type="refresh_token", code="[redacted]""#),
    // Databases.
    ("postgres://ada:MARK@db:5432/todo", "postgres://ada:[redacted]@db:5432/todo"),
    ("at postgres://ada:MA/R@K@db/todo now", "at postgres://ada:[redacted]@db/todo now"),
    ("redis://:MARK@h", "redis://:[redacted]@h"),
    ("postgres://ada:123456@h, http://u:1@h", "postgres://ada:[redacted]@h, http://u:[redacted]@h"),
    ("host=db user=ada password=MARK dbname=x", "host=db user=ada password=[redacted] dbname=x"),
    ("host=db password='MARK MARK' dbname=x", "host=db password='[redacted]' dbname=x"),
    ("PGPASSWORD=MARK psql", "PGPASSWORD=[redacted] psql"),
];

#[test]
fn what_has_a_secrets_name_or_looks_like_one_is_taken_out() {
    let rules = rules();
    for (text, safe) in TOLD {
        let text = text.replace("MARK", MARK);
        assert_eq!(rules.text(&text), safe, "{text}");
        assert_eq!(rules.text(safe), safe, "again");
    }
}

#[test]
fn a_line_for_programs_loses_the_same_and_stays_one() {
    let rules = rules();
    for (text, safe) in TOLD {
        let text = text.replace("MARK", MARK);
        let line = json_line(&json!({ "message": text, "n": 1 }));
        let passed: Value = serde_json::from_str(&json::line(rules, &line)).unwrap();
        assert_eq!(passed["fields"], json!({ "message": safe, "n": 1 }), "{line}");
        assert_eq!(passed["target"], "app");
    }
}

#[test]
fn a_secret_is_found_however_deep_it_is_quoted() {
    let rules = rules();
    let quotings: [fn(&str) -> String; 2] = [|text| format!("{text:?}"), |text| json!({ "body": text }).to_string()];
    for inner in [
        r#"{"password":"a\\\"Hunter-2_marked","x":"kept"}"#,
        r#"Some(P { token: Some("Hunter-2_marked"), x: "kept" })"#,
    ] {
        for quoting in quotings {
            let mut text = inner.to_owned();
            for deep in 0..6 {
                let safe = rules.text(&text);
                assert!(!safe.contains(MARK) && safe.contains("kept"), "{deep}: {text} became {safe}");
                text = quoting(&text);
            }
        }
    }
}

#[test]
fn fields_of_a_line_for_programs_are_told_by_their_names() {
    let rules = rules();
    let line = json_line(&json!({
        "password": MARK, "user.token": MARK, "authorization": MARK, "api_key": 12345, "jwt": [MARK, MARK],
        "code": MARK, "state": "a b", "cookie": "None", "secret": null, "token": true,
    }));
    let passed: Value = serde_json::from_str(&json::line(rules, &line)).unwrap();
    let expected = json!({
        "password": REDACTED, "user.token": REDACTED, "authorization": REDACTED, "api_key": REDACTED, "jwt": REDACTED,
        "code": REDACTED, "state": REDACTED, "cookie": "None", "secret": null, "token": true,
    });
    assert_eq!(passed["fields"], expected);
}

/// Lines of ours, and what libraries say in ours.
const ORDINARY: [&str; 41] = [
    r#"2026-01-01T00:00:00.000001Z  INFO request{request_id="0198" method="POST" path="/auth/tokens"}: http_api: answered status=200 milliseconds=3"#,
    "2026-01-01T00:00:00.000001Z  WARN identity::token: the clock went back",
    "2026-01-01T00:00:00.000001Z DEBUG domain::api_token: noted",
    "2026-01-01T00:00:00.000001Z DEBUG domain::session::code: noted",
    r#"a request failed code="AI_ERROR" cause="the assistant failed: the provider refused the key""#,
    r#"the assistant cannot answer and another stands in code="rate_limited" stand_in="offline""#,
    "turn failed code=AI_TIMEOUT status=504 tokens_in=12 tokens_out=7 token_version=3",
    "marked turns as failed turns=2, sessions=1",
    "the bearer token cannot be read",
    "no bearer token: a header is missing",
    r#"WWW-Authenticate: Bearer realm="doable", error="invalid_token""#,
    r#"Bearer realm="doable", error="insufficient_scope", scope="chat""#,
    "Basic authentication is not taken",
    "an invalid state: the turn has ended",
    "in this state: Running, code: NotFound",
    "error returned from database: (code: 2067) UNIQUE constraint failed: users.email_folded",
    r#"PgDatabaseError { severity: Error, code: "42P01", message: "relation \"x\" does not exist" }"#,
    r#"Os { code: 111, kind: ConnectionRefused, message: "Connection refused" }"#,
    "exit-code: a-b-c, barcode: 4006381333931, status_code: 404-x, exit code: 1",
    r#"INSERT INTO "refresh_tokens" ("hash", "user_id", "session_id") VALUES ($1, $2, $3)"#,
    r#"INSERT INTO "users" ("token", "password", "code") VALUES (?, ?, ?)"#,
    r#"UPDATE "users" SET "password_hash" = $1, "token_version" = "users"."token_version" + $2 WHERE "code" = $3"#,
    r#"ON CONFLICT DO UPDATE SET "secret" = "excluded"."secret""#,
    r#"SELECT 1 WHERE "nonce" = ? AND "token" = $12"#,
    "Token::Expired, password::Hash: no value",
    "password: must be 8 to 128 characters",
    "JWT_SECRET: must be at least 32 bytes long",
    "JWT_SECRET: must be set in production: at least 32 bytes, such as `openssl rand -base64 48` prints",
    "OPENAI_API_KEY: is no key: it has spaces or characters that are not visible ASCII",
    "password authentication failed for user \"ada\"",
    "Unknown field: 'password'",
    "unknown field `token`, expected one of `email`, `password`, `name`",
    "Login { password: None, code: None, state: null }",
    "Doable listens on http://127.0.0.1:8000, documentation on http://127.0.0.1:8000/docs.",
    "at http://localhost:11434/v1/@latest?x=a@b, http://[::1]:8000/a@b",
    "postgres://me@db/todo",
    "Postgres at db:5432/todo",
    "task-management, a risk-free disk-image; sk-SK",
    "add milk: password reset for ada@example.com",
    r#"{"token":"","secret":null,"password":""}"#,
    "the token has expired; the secret is too short",
];

#[test]
fn ordinary_lines_stay_as_they_are() {
    let rules = rules();
    for text in ORDINARY {
        assert_eq!(rules.text(text), text);
        let line = json_line(
            &json!({ "message": text, "code": "AI_ERROR", "tokens_in": 12, "token_version": 1, "status": 1 }),
        );
        assert!(matches!(json::line(rules, &line), Cow::Borrowed(same) if same == line), "{line}");
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<String>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written when these pieces come in one after the other.
fn written(
    format: Format,
    redact: Option<for<'a> fn(&Rules, &'a str) -> Cow<'a, str>>,
    pieces: &[&[u8]],
) -> Vec<String> {
    let written = Written::default();
    let mut writers = Redacting::new(|| written.clone(), format, Rules::new().unwrap());
    writers.filter.redact = redact.unwrap_or(writers.filter.redact);
    let mut lines = writers.make_writer();
    for piece in pieces {
        lines.write_all(piece).unwrap();
        lines.flush().unwrap();
    }
    drop(lines);
    written.0.lock().unwrap().clone()
}

#[test]
fn a_secret_that_comes_in_pieces_is_found() {
    let pieces: [&[u8]; 5] = [b"one pass", b"word=Hun", b"ter2\ntwo\nthree tok", b"en=Hunter2", b"-and-on"];
    let lines = ["one password=[redacted]\n", "two\n", "three token=[redacted]"];
    assert_eq!(written(Format::Human, None, &pieces), lines);
    for at in 0..=28 {
        let (left, right) = b"password=Hunter2\npassword=x\n".split_at(at);
        let lines = ["password=[redacted]\n", "password=[redacted]\n"];
        assert_eq!(written(Format::Human, None, &[left, right]), lines, "{at}");
    }
}

#[test]
fn bytes_that_are_no_text_lose_no_line() {
    assert_eq!(
        written(Format::Human, None, &[b"a\xffb password=\xff\xfe c\n"]),
        ["a\u{fffd}b password=[redacted] c\n"]
    );
}

#[test]
fn a_line_that_cannot_be_looked_through_is_withheld_and_that_is_said() {
    fn mistaken<'a>(_: &Rules, _: &'a str) -> Cow<'a, str> {
        panic!("a mistake")
    }
    let fails: for<'a> fn(&Rules, &'a str) -> Cow<'a, str> = mistaken;
    let long = format!("{}{MARK}\n", "x".repeat(LONGEST));
    for (redact, line) in [(None, long.as_str()), (Some(fails), "x Hunter-2_marked\n")] {
        let said = format!("a line of {} bytes is withheld", line.len() - 1);
        let human = written(Format::Human, redact, &[line.as_bytes(), b"short\n"]);
        assert!(human[0].contains(&said) && human[0].contains("ERROR") && human[0].ends_with('\n'), "{human:?}");
        let programs = written(Format::Json, redact, &[line.as_bytes(), b"{}\n"]);
        let parsed: Value = serde_json::from_str(&programs[0]).unwrap();
        assert!(parsed["fields"]["message"].as_str().unwrap().starts_with(&said), "{parsed}");
        assert_eq!((&parsed["level"], &parsed["target"]), (&"ERROR".into(), &"app::telemetry::redact".into()));
        assert!(!human.concat().contains(MARK) && !programs.concat().contains(MARK));
        assert_eq!((human.len(), programs.len()), (2, 2));
    }
}

#[test]
fn what_is_no_json_is_taken_as_text() {
    let rules = rules();
    for (line, safe) in [
        ("Unable to format password=Hunter2", "Unable to format password=[redacted]"),
        (r#"{"a":"b","c":"password=Hunter2"#, r#"{"a":"b","c":"password=[redacted]"#),
        (r#"{"a":"\ud800 password=Hunter2"}"#, r#"{"a":"[redacted]"}"#),
        ("{", "{"),
        (r#"{"password":"#, r#"{"password":"#),
        (r#"{"password":1"#, r#"{"password":"[redacted]""#),
    ] {
        assert_eq!(json::line(rules, line), safe);
    }
}

/// Texts with much in them that means something here.
fn texts() -> impl Strategy<Value = String> {
    let words = prop_oneof![
        "\\PC{0,3}",
        r#"[\\"'`:=,;(){}\[\]?&% \n\r]{1,6}"#,
        prop::sample::select(vec![
            "password",
            "token",
            "code",
            "state",
            "Authorization: ",
            "Bearer ",
            "cookie=",
            "api_key",
            "Some(",
            "eyJ",
            "dbl_",
            "://a:",
            "@",
            "%3D",
            "%26",
            "\\n",
            "\\\"",
            "\u{1b}",
            "é",
            "::",
            "secret\":\"",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(words, 0..24).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn whatever_is_logged_a_line_for_programs_stays_one(name in texts(), text in texts(), number in any::<i64>()) {
        let line = json!({ "fields": { name.clone(): text, "message": text, "token": number }, "spans": [{ "name": name }] });
        let rules = rules();
        let line = line.to_string();
        let passed = json::line(rules, &line);
        let parsed = serde_json::from_str::<Value>(&passed);
        prop_assert!(parsed.is_ok(), "{line} became {passed}");
        prop_assert!(!passed.contains('\n'));
        let (before, after) = (serde_json::from_str::<Value>(&line).unwrap(), parsed.unwrap());
        let names = |line: &Value| line["fields"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        prop_assert_eq!(names(&before), names(&after));
        prop_assert_eq!(&after["fields"]["token"], REDACTED);
    }

    #[test]
    fn a_password_in_a_body_is_taken_out_whatever_it_is(password in texts(), deep in 0_usize..4) {
        let marked = format!("{password}{MARK}{password}");
        let mut text = json!({ "password": marked, "z": "kept" }).to_string();
        for _ in 0..deep {
            text = json!({ "body": text }).to_string();
        }
        let safe = rules().text(&text).into_owned();
        prop_assert!(!safe.contains(MARK), "{text} became {safe}");
        prop_assert!(safe.contains("kept"), "{text} became {safe}");
        let debugged = format!("{:?}", Some((Some(&text), marked.len())));
        prop_assert!(!rules().text(&debugged).contains(MARK), "{debugged}");
    }

    #[test]
    fn no_text_makes_it_fail(text in texts()) {
        let rules = rules();
        let safe = rules.text(&text);
        prop_assert!(text.contains('\n') || !safe.contains('\n'));
        json::line(rules, &format!("{{{text}"));
    }
}
