//! Fetches what the provider publishes when it is needed, and keeps it: one caller fetches while the others wait, or go on
//! with what there is.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::runtime::{FailureLog, Timer};
use futures_util::future::{Either, select};
use openidconnect::IssuerUrl;
use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use tokio::sync::Mutex;

use super::failure::Failure;
use super::http::HttpClient;
use super::published::Published;

/// So long it is not fetched again.
const FRESH: Duration = Duration::from_hours(1);
/// So long it serves while the provider does not publish anything that could take its place. Key pairs live longer.
const USABLE: Duration = Duration::from_hours(24);
/// So long such a caller waits for something newer: there has to be time left to redeem the code.
const PATIENCE: Duration = Duration::from_secs(2);
/// So long nobody asks again after that, or for keys that are not known yet.
const PAUSE: Duration = Duration::from_secs(30);

/// What the provider publishes, fetched when it is needed and kept.
pub(super) struct Directory {
    issuer: IssuerUrl,
    http: Arc<HttpClient>,
    timer: Arc<dyn Timer>,
    failures: Arc<dyn FailureLog>,
    known: RwLock<Option<Arc<Published>>>,
    /// Held by whoever fetches.
    pauses: Mutex<Pauses>,
}

/// Until when nobody asks the provider.
#[derive(Default)]
struct Pauses {
    /// For something to take the place of what is still usable.
    newer: Option<Duration>,
    /// For keys that an id token names.
    keys: Option<Duration>,
}

impl Directory {
    pub(super) fn new(
        issuer: IssuerUrl,
        http: Arc<HttpClient>,
        timer: Arc<dyn Timer>,
        failures: Arc<dyn FailureLog>,
    ) -> Self {
        Self { issuer, http, timer, failures, known: RwLock::default(), pauses: Mutex::default() }
    }

    /// What the provider publishes: at most an hour old, or at most a day if the provider does not answer as it has to.
    pub(super) async fn current(&self) -> Result<Arc<Published>, Failure> {
        if let Some(fresh) = self.younger_than(FRESH) {
            return Ok(fresh);
        }
        if let Some(usable) = self.younger_than(USABLE) {
            return Ok(self.newer_than(usable).await);
        }
        let _fetching = self.pauses.lock().await;
        match self.younger_than(FRESH) {
            Some(fetched_meanwhile) => Ok(fetched_meanwhile),
            None => self.fetch().await,
        }
    }

    /// Something to take the place of `usable`, if it comes soon.
    async fn newer_than(&self, usable: Arc<Published>) -> Arc<Published> {
        // Somebody is fetching already.
        let Ok(mut pauses) = self.pauses.try_lock() else { return usable };
        let now = self.timer.elapsed();
        if pauses.newer.is_some_and(|until| now < until) {
            return usable;
        }
        pauses.newer = Some(now + PAUSE);
        match self.soon(self.fetch()).await {
            Ok(newer) => newer,
            Err(failure) => {
                self.failures.record("fetching what the OpenID provider publishes", &failure);
                usable
            }
        }
    }

    /// What is published now, if an id token names a key that `known` does not have; nothing if the provider was asked
    /// for such a key just now.
    pub(super) async fn newer_keys(&self, known: &Arc<Published>) -> Result<Option<Arc<Published>>, Failure> {
        let mut pauses = self.pauses.lock().await;
        if let Some(fetched_meanwhile) = self.younger_than(USABLE).filter(|newest| !Arc::ptr_eq(newest, known)) {
            return Ok(Some(fetched_meanwhile));
        }
        let now = self.timer.elapsed();
        if pauses.keys.is_some_and(|until| now < until) {
            return Ok(None);
        }
        pauses.keys = Some(now + PAUSE);
        let keys = CoreJsonWebKeySet::fetch_async(&known.keys_at, &*self.http).await?;
        Ok(Some(self.keep(Published { keys, ..Published::clone(known) })))
    }

    async fn fetch(&self) -> Result<Arc<Published>, Failure> {
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &*self.http).await?;
        Ok(self.keep(Published::new(&metadata, self.timer.elapsed())?))
    }

    async fn soon<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        match select(pin!(work), self.timer.sleep(PATIENCE)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(Failure::TooSlow),
        }
    }

    fn keep(&self, published: Published) -> Arc<Published> {
        let published = Arc::new(published);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&published));
        published
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<Published>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|known| self.timer.elapsed().saturating_sub(known.fetched_at) < age)
    }
}
