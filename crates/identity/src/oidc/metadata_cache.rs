//! Caches the provider's metadata. One caller fetches at a time; the others wait, or use cached metadata that is still
//! usable.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::runtime::{FailureLog, Timer};
use futures_util::future::{Either, select};
use openidconnect::IssuerUrl;
use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use tokio::sync::Mutex;

use super::error::OidcError;
use super::http_client::HttpClient;
use super::provider_metadata::ProviderMetadata;

/// Age from which the metadata is refreshed on use.
const REFRESH_AFTER: Duration = Duration::from_hours(1);
/// Age up to which the metadata is used if it cannot be refreshed. Providers rotate their keys less often.
const MAX_AGE: Duration = Duration::from_hours(24);
/// Maximum duration of a refresh while the cached metadata is usable; leaves time to redeem the code.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(2);
/// Minimum time between two refreshes of usable metadata, and between two fetches of keys for an unknown key id.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

pub(super) struct MetadataCache {
    issuer: IssuerUrl,
    http: Arc<HttpClient>,
    timer: Arc<dyn Timer>,
    failures: Arc<dyn FailureLog>,
    cached: RwLock<Option<Arc<ProviderMetadata>>>,
    /// Locked during a fetch.
    not_before: Mutex<NotBefore>,
}

/// Earliest times of the next requests, as elapsed time of the [`Timer`].
#[derive(Default)]
struct NotBefore {
    /// Refresh of metadata that is still usable.
    refresh: Option<Duration>,
    /// Fetch of keys because of an unknown key id.
    keys: Option<Duration>,
}

impl MetadataCache {
    pub(super) fn new(
        issuer: IssuerUrl,
        http: Arc<HttpClient>,
        timer: Arc<dyn Timer>,
        failures: Arc<dyn FailureLog>,
    ) -> Self {
        Self { issuer, http, timer, failures, cached: RwLock::default(), not_before: Mutex::default() }
    }

    /// Returns metadata younger than [`REFRESH_AFTER`], or younger than [`MAX_AGE`] if the refresh fails.
    pub(super) async fn current(&self) -> Result<Arc<ProviderMetadata>, OidcError> {
        if let Some(fresh) = self.younger_than(REFRESH_AFTER) {
            return Ok(fresh);
        }
        if let Some(usable) = self.younger_than(MAX_AGE) {
            return Ok(self.refreshed_or(usable).await);
        }
        let _fetching = self.not_before.lock().await;
        match self.younger_than(REFRESH_AFTER) {
            Some(fetched_meanwhile) => Ok(fetched_meanwhile),
            None => self.fetch().await,
        }
    }

    /// Returns refreshed metadata, or `usable` if a fetch is running, the last refresh is recent, or this one fails.
    async fn refreshed_or(&self, usable: Arc<ProviderMetadata>) -> Arc<ProviderMetadata> {
        let Ok(mut not_before) = self.not_before.try_lock() else { return usable };
        let now = self.timer.elapsed();
        if not_before.refresh.is_some_and(|earliest| now < earliest) {
            return usable;
        }
        not_before.refresh = Some(now + RETRY_INTERVAL);
        match self.with_refresh_timeout(self.fetch()).await {
            Ok(refreshed) => refreshed,
            Err(error) => {
                self.failures.record("refreshing the OpenID provider's metadata", &error);
                usable
            }
        }
    }

    /// Returns metadata with newer keys than `known`, or `None` within [`RETRY_INTERVAL`] of the last fetch of keys.
    pub(super) async fn with_newer_keys(
        &self,
        known: &Arc<ProviderMetadata>,
    ) -> Result<Option<Arc<ProviderMetadata>>, OidcError> {
        let mut not_before = self.not_before.lock().await;
        if let Some(fetched_meanwhile) = self.younger_than(MAX_AGE).filter(|newest| !Arc::ptr_eq(newest, known)) {
            return Ok(Some(fetched_meanwhile));
        }
        let now = self.timer.elapsed();
        if not_before.keys.is_some_and(|earliest| now < earliest) {
            return Ok(None);
        }
        not_before.keys = Some(now + RETRY_INTERVAL);
        let keys = CoreJsonWebKeySet::fetch_async(&known.jwks_uri, &*self.http).await?;
        Ok(Some(self.store(ProviderMetadata { keys, ..ProviderMetadata::clone(known) })))
    }

    async fn fetch(&self) -> Result<Arc<ProviderMetadata>, OidcError> {
        let document = CoreProviderMetadata::discover_async(self.issuer.clone(), &*self.http).await?;
        Ok(self.store(ProviderMetadata::new(&document, self.timer.elapsed())?))
    }

    async fn with_refresh_timeout<T>(&self, work: impl Future<Output = Result<T, OidcError>>) -> Result<T, OidcError> {
        match select(pin!(work), self.timer.sleep(REFRESH_TIMEOUT)).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => Err(OidcError::Timeout),
        }
    }

    fn store(&self, metadata: ProviderMetadata) -> Arc<ProviderMetadata> {
        let metadata = Arc::new(metadata);
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&metadata));
        metadata
    }

    fn younger_than(&self, age: Duration) -> Option<Arc<ProviderMetadata>> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner).clone();
        cached.filter(|metadata| self.timer.elapsed().saturating_sub(metadata.fetched_at) < age)
    }
}
