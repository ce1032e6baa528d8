//! Who signs in at the provider.

use serde_json::{Map, Value};

/// Somebody with an account at the provider.
#[derive(Clone, Debug)]
pub struct Person {
    pub(crate) subject: String,
    pub(crate) claims: Map<String, Value>,
}

impl Person {
    /// The person whose `sub` is `subject`. Nothing else is known about them.
    pub fn new(subject: &str) -> Self {
        Self { subject: subject.to_owned(), claims: Map::new() }
    }

    /// A person with a verified address.
    pub fn with_email(subject: &str, email: &str) -> Self {
        Self::new(subject).claim("email", email).claim("email_verified", true)
    }

    /// The same person, about whom the id token says this too. `null` is said as it is.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }
}
