//! Limits of passwords: failures are counted, not tries.

use super::{AccountError, AccountService};
use crate::id::UserId;
use crate::runtime::rate_limit::RateKey;

impl AccountService {
    /// Verifies a password by `verify`, as a try of each of `keys`. The tries are taken before, and given back unless the
    /// password is wrong, so that tries at the same time cannot exceed the limits. A try that is abandoned stays counted.
    pub(super) async fn count_failure<T>(
        &self,
        keys: &[RateKey],
        verify: impl Future<Output = Result<T, AccountError>>,
    ) -> Result<T, AccountError> {
        let mut counted = Vec::with_capacity(keys.len());
        for key in keys {
            let decision = self.limiter.take(key.clone()).await;
            if let Err(refusal) = decision.permitted() {
                self.give_back(counted).await;
                return Err(refusal.into());
            }
            if decision.is_counted() {
                counted.push(key.clone());
            }
        }
        let verified = verify.await;
        if !matches!(verified, Err(AccountError::InvalidCredentials | AccountError::WrongPassword)) {
            self.give_back(counted).await;
        }
        verified
    }

    async fn give_back(&self, keys: Vec<RateKey>) {
        for key in keys {
            self.limiter.give_back(key).await;
        }
    }

    /// Counts a request that needs no token, but starts or extends a session of `user`, like any other request of that user.
    /// Successes give their tries back, so without it a single user could sign in at any rate.
    pub(super) async fn count_request(&self, user: UserId) -> Result<(), AccountError> {
        Ok(self.limiter.take(RateKey::Api(user)).await.permitted()?)
    }
}
