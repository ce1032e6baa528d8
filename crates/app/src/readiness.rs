//! Readiness of this process: the database responds, all migrations are applied, and no shutdown has begun.

mod shared_check;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::runtime::readiness::{NotReady, Readiness};
use http_api::Draining;
use persistence::Database;

use shared_check::{Checked, SharedCheck};

/// Maximum time for the database to respond.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Readiness by a query, whose result is cached, and a flag for the shutdown.
#[derive(Clone)]
pub struct DatabaseReadiness {
    pending_migrations: SharedCheck,
    draining: Draining,
}

impl DatabaseReadiness {
    /// Creates the check of a process that uses `database`.
    pub fn new(database: Database) -> Self {
        let check = move || pending_migrations(database.clone());
        Self { pending_migrations: SharedCheck::new(check), draining: Draining::default() }
    }

    /// The flag that makes every further check fail with [`NotReady::ShuttingDown`].
    pub fn draining(&self) -> &Draining {
        &self.draining
    }
}

#[async_trait]
impl Readiness for DatabaseReadiness {
    async fn check(&self) -> Result<(), NotReady> {
        if self.draining.has_begun() {
            return Err(NotReady::ShuttingDown);
        }
        match self.pending_migrations.result().await {
            Ok(0) => Ok(()),
            Ok(_) => Err(NotReady::Migrations),
            Err(error) => Err(NotReady::Database(error.into())),
        }
    }
}

async fn pending_migrations(database: Database) -> Checked {
    let pending = async {
        let connection = database.connection_for_status().await?;
        Ok(migrations::pending(&connection).await?)
    };
    let failed = |error: Box<dyn Error + Send + Sync>| -> Arc<dyn Error + Send + Sync> { error.into() };
    match tokio::time::timeout(CHECK_TIMEOUT, pending).await {
        Ok(checked) => checked.map_err(failed),
        Err(elapsed) => Err(Arc::new(elapsed)),
    }
}
