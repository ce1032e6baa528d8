//! Codes of failures.

use std::fmt;

/// The reason why a turn failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode {
    /// The provider limits the rate of requests.
    RateLimited,
    /// The quota at the provider is used up.
    QuotaExhausted,
    /// The provider refused the key.
    Unauthorized,
    /// The provider has no such model.
    ModelRetired,
    /// The model did not respond in time.
    Timeout,
    /// The provider cannot be reached, or fails.
    Unavailable,
    /// The model's reply is invalid.
    BadReply,
    /// The database failed.
    Storage,
    /// The server's code panicked.
    Internal,
    /// The server was shut down.
    ShutDown,
    /// The lease expired without being renewed.
    LeaseExpired,
    /// The process that ran the turn was restarted.
    InstanceRestarted,
    /// The turn lost its lease: its conversation was deleted, or another process found the lease expired.
    LeaseLost,
}

impl FailureCode {
    /// All codes.
    pub const ALL: [Self; 13] = [
        Self::RateLimited,
        Self::QuotaExhausted,
        Self::Unauthorized,
        Self::ModelRetired,
        Self::Timeout,
        Self::Unavailable,
        Self::BadReply,
        Self::Storage,
        Self::Internal,
        Self::ShutDown,
        Self::LeaseExpired,
        Self::InstanceRestarted,
        Self::LeaseLost,
    ];

    /// Returns the code with this name in storage.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// Returns the name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaExhausted => "quota_exhausted",
            Self::Unauthorized => "unauthorized",
            Self::ModelRetired => "model_retired",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::BadReply => "bad_reply",
            Self::Storage => "storage",
            Self::Internal => "internal",
            Self::ShutDown => "shut_down",
            Self::LeaseExpired => "lease_expired",
            Self::InstanceRestarted => "instance_restarted",
            Self::LeaseLost => "ended",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
