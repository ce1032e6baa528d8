//! Readiness under load.

use futures_util::future::try_join_all;
use tests::{TestApp, on_both_databases};

/// Number of requests at once.
const FLOOD: usize = 500;
/// Maximum number of statements for all of them: two for each second that they take, and time for a slow machine.
const MAX_STATEMENTS: usize = 100;

on_both_databases! {
    async fn a_flood_of_readiness_checks_is_answered_by_few_queries(app: TestApp) {
        let anyone = app.anonymous();
        app.statements().clear();
        let answers = try_join_all((0..FLOOD).map(|_| anyone.get("/health/ready"))).await?;
        for answer in answers {
            assert_eq!(answer.expect(200)?["status"], "ready");
        }
        let statements = app.statements().all();
        let checks = statements.iter().filter(|statement| statement.contains("seaql_migrations")).count();
        assert!((1..MAX_STATEMENTS).contains(&checks), "{checks} statements for {FLOOD} requests");
    }
}
