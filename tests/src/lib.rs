//! The whole system under test: a server of its own, on a free port, with a database of its own, reached by HTTP alone.
//!
//! Deliberately not here: the tests. They are in `api/`, `faults/` and `architecture.rs`.

pub mod events;
pub mod fake_provider;
pub mod frames;
mod http_client;
pub mod measure;
mod movable_clock;
pub mod openapi;
mod test_app;
mod test_user;

pub use http_client::http_client;
pub use test_app::{Statements, TestApp};
pub use test_database::Kind;
pub use test_user::{Answer, TestUser};

/// Makes of one asynchronous body two tests, `<name>::sqlite` and `<name>::postgres`, each with a [`TestApp`] of its own,
/// and if it asks for one, with a [`FakeProvider`](fake_provider::FakeProvider) that the app's `CohereClient` talks to.
/// What stands in brackets are further flags of the app. One that asks for an [`OpenIdServer`](test_openid::OpenIdServer)
/// gets an app where people sign in at that one.
#[macro_export]
macro_rules! on_both_databases {
    ($(#[$doc:meta])* async fn $name:ident($app:ident: $server:ty, $provider:ident: $fake:ty = $behaviour:expr, $flags:expr) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn body($app: $server, $provider: $fake) -> anyhow::Result<()> {
                $body
                Ok(())
            }

            async fn on(kind: $crate::Kind) -> anyhow::Result<()> {
                let provider = $crate::fake_provider::FakeProvider::start($behaviour)?;
                let flags: &[&str] = &$flags;
                match $crate::TestApp::spawn_on(kind, stringify!($name), &provider, flags).await? {
                    Some(app) => body(app, provider).await,
                    None => Ok(()),
                }
            }

            $crate::on_both_databases!(@tests on);
        }
    };
    ($(#[$doc:meta])* async fn $name:ident($app:ident: $server:ty, $provider:ident: $openid:ty) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn body($app: $server, $provider: $openid) -> anyhow::Result<()> {
                $body
                Ok(())
            }

            async fn on(kind: $crate::Kind) -> anyhow::Result<()> {
                let provider = <$openid>::start().await?;
                match $crate::TestApp::spawn_with_openid(kind, stringify!($name), &provider).await? {
                    Some(app) => body(app, provider).await,
                    None => Ok(()),
                }
            }

            $crate::on_both_databases!(@tests on);
        }
    };
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

            $crate::on_both_databases!(@tests on);
        }
    };
    ($(#[$doc:meta])* async fn $name:ident($app:ident: $server:ty, $flags:expr) $body:block) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn body($app: $server) -> anyhow::Result<()> {
                $body
                Ok(())
            }

            async fn on(kind: $crate::Kind) -> anyhow::Result<()> {
                match $crate::TestApp::spawn_with(kind, stringify!($name), &$flags).await? {
                    Some(app) => body(app).await,
                    None => Ok(()),
                }
            }

            $crate::on_both_databases!(@tests on);
        }
    };
    (@tests $on:ident) => {
        #[tokio::test]
        async fn sqlite() -> anyhow::Result<()> {
            $on($crate::Kind::Sqlite).await
        }

        #[tokio::test]
        async fn postgres() -> anyhow::Result<()> {
            $on($crate::Kind::Postgres).await
        }
    };
}
