//! The acting user and their permissions.

use std::fmt;

use crate::id::{ApiTokenId, SessionId, UserId};

/// The acting user, taken from a verified token and never from a path, a body or a model's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The owner of all rows that may be accessed.
    pub user: UserId,
    /// The session of an access token.
    pub session: Option<SessionId>,
    /// The id of an API token.
    pub api_token: Option<ApiTokenId>,
    /// The interface in use.
    pub via: Via,
    /// The granted scopes.
    pub scopes: Scopes,
}

impl Principal {
    /// Returns the principal of the server's own maintenance of a user's rows.
    pub fn system(user: UserId) -> Self {
        let scopes = [Scope::TasksRead, Scope::TasksWrite].into_iter().collect();
        Self { user, session: None, api_token: None, via: Via::System, scopes }
    }

    /// Checks that `scope` is granted.
    ///
    /// # Errors
    /// [`InsufficientScope`] with the missing scope.
    pub fn require(&self, scope: Scope) -> Result<(), InsufficientScope> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(InsufficientScope(scope)) }
    }
}

/// The interface through which a user acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The HTTP API.
    Http,
    /// The chat assistant.
    Chat,
    /// The MCP server.
    Mcp,
    /// The command line.
    Cli,
    /// The server's own maintenance.
    System,
}

impl Via {
    /// All interfaces.
    pub const ALL: [Self; 5] = [Self::Http, Self::Chat, Self::Mcp, Self::Cli, Self::System];

    /// Returns the name in storage and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Chat => "chat",
            Self::Mcp => "mcp",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }

    /// Returns the interface with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|via| via.as_str() == name)
    }
}

/// A permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `tasks:read`
    TasksRead,
    /// `tasks:write`
    TasksWrite,
    /// `chat`. The assistant's tools require the scopes of tasks in addition.
    Chat,
    /// `account`: sessions, tokens, the password and the account itself. Every session has it. An API token cannot have it,
    /// because it could create further tokens.
    Account,
}

impl Scope {
    /// The scopes that an API token can have.
    pub const GRANTABLE: [Self; 3] = [Self::TasksRead, Self::TasksWrite, Self::Chat];

    /// Returns the name in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::Chat => "chat",
            Self::Account => "account",
        }
    }
}

/// A set of [`Scope`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Returns all scopes, which a session has.
    pub fn all() -> Self {
        Self(vec![Scope::TasksRead, Scope::TasksWrite, Scope::Chat, Scope::Account])
    }

    /// Returns the named scopes for an API token, without duplicates, in the order of [`Scope::GRANTABLE`].
    ///
    /// # Errors
    /// [`ScopesError`] if there are none, or one cannot be granted to a token.
    pub fn granted<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopesError> {
        let names: Vec<&str> = names.into_iter().collect();
        let known = |name: &&str| Scope::GRANTABLE.iter().any(|scope| scope.as_str() == *name);
        if names.is_empty() || !names.iter().all(known) {
            return Err(ScopesError);
        }
        Ok(Scope::GRANTABLE.into_iter().filter(|scope| names.contains(&scope.as_str())).collect())
    }

    /// Iterates over the scopes.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }

    /// Returns whether `scope` is in the set.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// Space-separated names (RFC 6749, 3.3).
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}", scope.as_str())?;
        }
        Ok(())
    }
}

/// The names are not valid scopes of an API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one or more of tasks:read, tasks:write and chat")]
pub struct ScopesError;

/// A scope is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope '{}' is required", .0.as_str())]
pub struct InsufficientScope(pub Scope);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granted_scopes_are_ordered_and_without_duplicates() {
        let scopes = Scopes::granted(["chat", "tasks:read", "chat"]).unwrap();
        assert_eq!(scopes.to_string(), "tasks:read chat");
        assert_eq!(Scopes::granted(scopes.to_string().split(' ')), Ok(scopes));
    }

    #[test]
    fn empty_account_and_unknown_scopes_are_refused() {
        for names in [&[][..], &["account"], &["tasks:read", "account"], &["admin"], &[""], &["Chat"]] {
            assert_eq!(Scopes::granted(names.iter().copied()), Err(ScopesError), "{names:?}");
        }
    }
}
