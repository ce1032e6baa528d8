//! Support for tests of the whole system: a server on a free port with its own database, and clients that use it over
//! HTTP. The tests are in `api/` and `faults/`.

pub mod events;
pub mod fake_provider;
pub mod frames;
mod http_client;
mod movable_clock;
mod nginx;
pub mod openapi;
mod test_app;
mod test_user;
mod wait;

pub use http_client::http_client;
pub use nginx::{Nginx, NginxPort};
pub use test_app::{Statements, TestApp};
pub use test_database::Kind;
pub use test_user::{Answer, TestUser};
pub use wait::{WAIT_TIMEOUT, wait_until, within_timeout};

/// Defines two tests of one asynchronous body, `<name>::sqlite` and `<name>::postgres`. The body gets a [`TestApp`]
/// with the flags in brackets, and optionally the app's language model provider
/// ([`FakeProvider`](fake_provider::FakeProvider)) or OpenID provider ([`OpenIdServer`](test_openid::OpenIdServer)).
#[macro_export]
macro_rules! on_both_databases {
    (
        async fn $name:ident(
            $app:ident: $server:ty, $provider:ident: $fake:ty = $behaviour:expr $(, $flags:expr)? $(,)?
        ) $body:block
    ) => {
        mod $name {
            use super::*;

            async fn body($app: $server, $provider: $fake) -> anyhow::Result<()> {
                $body
                Ok(())
            }

            async fn on(kind: $crate::Kind) -> anyhow::Result<()> {
                let provider = $crate::fake_provider::FakeProvider::start($behaviour)?;
                let flags = $crate::on_both_databases!(@flags $($flags)?);
                match $crate::TestApp::spawn_on(kind, stringify!($name), &provider, flags).await? {
                    Some(app) => body(app, provider).await,
                    None => Ok(()),
                }
            }

            $crate::on_both_databases!(@tests on);
        }
    };
    (async fn $name:ident($app:ident: $server:ty, $provider:ident: $openid:ty) $body:block) => {
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
    (async fn $name:ident($app:ident: $server:ty $(, $flags:expr)? $(,)?) $body:block) => {
        mod $name {
            use super::*;

            async fn body($app: $server) -> anyhow::Result<()> {
                $body
                Ok(())
            }

            async fn on(kind: $crate::Kind) -> anyhow::Result<()> {
                let flags = $crate::on_both_databases!(@flags $($flags)?);
                match $crate::TestApp::spawn(kind, stringify!($name), flags).await? {
                    Some(app) => body(app).await,
                    None => Ok(()),
                }
            }

            $crate::on_both_databases!(@tests on);
        }
    };
    (@flags) => {
        &[]
    };
    (@flags $flags:expr) => {
        &$flags
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
