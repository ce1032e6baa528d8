//! End users of the provider.

use serde_json::{Map, Value};

/// An account at the provider.
#[derive(Clone, Debug)]
pub struct EndUser {
    pub(crate) subject: String,
    /// Of the id token.
    pub(crate) claims: Map<String, Value>,
    /// Of the userinfo response.
    pub(crate) user_info: Map<String, Value>,
}

impl EndUser {
    /// Creates an end user whose only claim is `sub`.
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.to_owned(), claims: Map::new(), user_info: Map::new() }
    }

    /// Creates an end user with a verified email address.
    pub fn with_email(subject: &str, email: &str) -> Self {
        Self::new(subject).claim("email", email).claim("email_verified", true)
    }

    /// Adds a claim to the id token. `null` is included as such.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a claim to the userinfo response, or replaces its `sub`. `null` is included as such.
    #[must_use]
    pub fn user_info(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.user_info.insert(name.to_owned(), value.into());
        self
    }
}
