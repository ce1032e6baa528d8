//! Identifiers. Each kind is a separate type, so that ids of different entities cannot be confused.
//!
//! All are UUIDs, generated as version 7 (RFC 9562) by the [`IdGenerator`](crate::runtime::IdGenerator) port.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID in its hyphenated form")]
pub struct IdError;

fn parse(raw: &str) -> Result<Uuid, IdError> {
    // `Uuid` also accepts braces, URNs and the form without hyphens.
    if raw.len() == uuid::fmt::Hyphenated::LENGTH { Uuid::try_parse(raw).ok().ok_or(IdError) } else { Err(IdError) }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// Returns the UUID.
            pub fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(raw: &str) -> Result<Self, IdError> {
                parse(raw).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(raw: String) -> Result<Self, IdError> {
                raw.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    )+};
}

ids! {
    /// The id of a user, who is the owner of rows.
    UserId;
    /// The id of a session: `sid` in an access token.
    SessionId;
    /// The id of an API token, which is not secret.
    ApiTokenId;
    /// The id of a task.
    TaskId;
    /// The id of a conversation.
    ConversationId;
    /// The id of a turn.
    TurnId;
    /// The id of a message.
    MessageId;
    /// The id of a pending action.
    PendingActionId;
    /// The id of an operation: all changes of one request or tool call.
    OperationId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_accepted() {
        let text = "0198c0de-0000-7000-8000-000000000001";
        let id: TaskId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!("0198C0DE-0000-7000-8000-000000000001".parse(), Ok(id));
        for other in ["", "1", "{0198c0de-0000-7000-8000-000000000001}", "0198c0de000070008000000000000001", "x"] {
            assert_eq!(other.parse::<TaskId>(), Err(IdError), "{other}");
        }
    }
}
