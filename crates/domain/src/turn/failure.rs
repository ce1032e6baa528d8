//! Why turns fail, in names for programs.

use std::fmt;

/// Why a turn failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode {
    /// The model's provider asked to slow down.
    RateLimited,
    /// The provider refused the key.
    Unauthorized,
    /// The provider does not have the model.
    ModelRetired,
    /// The model took too long.
    Timeout,
    /// The provider cannot be reached, or is broken.
    Unavailable,
    /// The model's reply makes no sense.
    BadReply,
    /// The database failed.
    Storage,
    /// Our own code failed.
    Internal,
    /// The server was shut down.
    ShutDown,
    /// Nobody worked on it until its lease was over.
    LeaseExpired,
    /// The process that worked on it was started again.
    InstanceRestarted,
    /// It was ended from outside: its conversation was deleted, or another process found its lease over.
    LeaseLost,
}

impl FailureCode {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::RateLimited,
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

    /// The code of this name in storage.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// The name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
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
