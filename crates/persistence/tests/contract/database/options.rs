//! Database options: invalid URLs and redaction of the password.

use persistence::{ConnectError, Database, DatabaseOptions};

#[tokio::test]
async fn an_unsupported_or_invalid_url_is_refused() {
    for url in ["", "mysql://ada:hunter2@localhost/x", "data/doable.db", "http://x", "Postgres://x"] {
        let outcome = Database::connect(&DatabaseOptions::new(url.into())).await.map(|_| ());
        assert!(matches!(outcome, Err(ConnectError::Scheme)), "{url}: {outcome:?}");
    }
    for url in ["postgres://ada:hunter2@:x/", "sqlite://x.db?mode=hunter2", "postgres://ada@h/?sslmode=hunter2"] {
        let outcome = Database::connect(&DatabaseOptions::new(url.into())).await.map(|_| ());
        assert!(matches!(outcome, Err(ConnectError::Url(_))), "{url}: {outcome:?}");
    }
}

#[test]
fn options_do_not_print_the_password() {
    let options = DatabaseOptions::new("postgres://ada:hunter2@localhost/doable".into());
    let printed = format!("{options:?}");
    assert!(!printed.contains("hunter2") && printed.contains("max_connections: 10"), "{printed}");
}
