//! The whole system under test: a server of its own, on a free port, with a database of its own, reached by HTTP alone.
//!
//! Deliberately not here: the tests. They are in `api/`, `faults/` and `architecture.rs`.

mod test_app;
mod test_user;

pub use test_app::{Statements, TestApp};
pub use test_database::Kind;
pub use test_user::{Answer, TestUser};

/// Makes of one asynchronous body two tests, `<name>::sqlite` and `<name>::postgres`, each with a [`TestApp`] of its own.
#[macro_export]
macro_rules! on_both_databases {
    ($(#[$doc:meta])* async fn $name:ident($app:ident: $server:ty) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn body($app: $server) -> anyhow::Result<()> {
                $body
                Ok(())
            }

            async fn on(kind: $crate::Kind) -> anyhow::Result<()> {
                match $crate::TestApp::spawn(kind, stringify!($name)).await? {
                    Some(app) => body(app).await,
                    None => Ok(()),
                }
            }

            #[tokio::test]
            async fn sqlite() -> anyhow::Result<()> {
                on($crate::Kind::Sqlite).await
            }

            #[tokio::test]
            async fn postgres() -> anyhow::Result<()> {
                on($crate::Kind::Postgres).await
            }
        }
    };
}
