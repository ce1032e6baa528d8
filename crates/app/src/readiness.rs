//! Readiness of this process: the database responds, all migrations are applied, and no shutdown has begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::runtime::readiness::{NotReady, Readiness};
use persistence::Database;
use tokio::sync::Mutex;

/// Maximum time for the database to respond.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Readiness by a query and a flag for the shutdown.
#[derive(Clone)]
pub struct DatabaseReadiness {
    database: Database,
    shutting_down: Arc<AtomicBool>,
    /// Held during a check. The endpoint is public, so concurrent checks must not exhaust the connection pool.
    check: Arc<Mutex<()>>,
}

impl DatabaseReadiness {
    /// Creates the check of a process that uses `database`.
    pub fn new(database: Database) -> Self {
        Self { database, shutting_down: Arc::default(), check: Arc::default() }
    }

    /// Makes every further check fail with [`NotReady::ShuttingDown`].
    pub fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Readiness for DatabaseReadiness {
    async fn check(&self) -> Result<(), NotReady> {
        if self.shutting_down.load(Ordering::Relaxed) {
            return Err(NotReady::ShuttingDown);
        }
        let pending = async {
            let _guard = self.check.lock().await;
            let connection = self.database.connection_for_status().await?;
            anyhow::Ok(migrations::pending(&connection).await?)
        };
        match tokio::time::timeout(CHECK_TIMEOUT, pending).await {
            Ok(Ok(0)) => Ok(()),
            Ok(Ok(_)) => Err(NotReady::Migrations),
            Ok(Err(error)) => Err(NotReady::Database(error.into())),
            Err(elapsed) => Err(NotReady::Database(elapsed.into())),
        }
    }
}
