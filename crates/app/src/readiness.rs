//! Whether this process can do its work: the database answers, its schema is the right one, no shutdown has begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use domain::health::{NotReady, Readiness};
use persistence::Database;
use tokio::sync::Mutex;

/// So long the database may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks the database and remembers whether a shutdown has begun.
#[derive(Clone)]
pub struct DatabaseReadiness {
    database: Database,
    shutting_down: Arc<AtomicBool>,
    /// Anybody may ask, as often as they like: one at a time is let through, so that the rest takes no connection.
    one_at_a_time: Arc<Mutex<()>>,
}

impl DatabaseReadiness {
    /// Readiness of a process that works on `database`.
    pub fn new(database: Database) -> Self {
        Self { database, shutting_down: Arc::default(), one_at_a_time: Arc::default() }
    }

    /// From now on the process is not ready.
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
            let _turn = self.one_at_a_time.lock().await;
            migrations::pending(self.database.connection_for_status()).await
        };
        match tokio::time::timeout(PATIENCE, pending).await {
            Ok(Ok(0)) => Ok(()),
            Ok(Ok(_)) => Err(NotReady::Migrations),
            Ok(Err(error)) => Err(NotReady::Database(error.into())),
            Err(late) => Err(NotReady::Database(late.into())),
        }
    }
}
