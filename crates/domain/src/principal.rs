//! Who acts, and what they may do.

use std::fmt;

use crate::id::{ApiTokenId, SessionId, UserId};

/// Who acts. Made from a verified token, never from a path, a body or a model's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The owner of every row that may be touched.
    pub user: UserId,
    /// The session that the token belongs to, where there is one.
    pub session: Option<SessionId>,
    /// The API token, if it is one.
    pub api_token: Option<ApiTokenId>,
    /// The way in.
    pub via: Via,
    /// What is allowed.
    pub scopes: Scopes,
}

impl Principal {
    /// The server itself, for the upkeep of a user's rows.
    pub fn system(user: UserId) -> Self {
        let scopes = [Scope::TasksRead, Scope::TasksWrite].into_iter().collect();
        Self { user, session: None, api_token: None, via: Via::System, scopes }
    }

    /// Checks that `scope` is allowed.
    ///
    /// # Errors
    /// [`InsufficientScope`] names the scope that is missing.
    pub fn require(&self, scope: Scope) -> Result<(), InsufficientScope> {
        if self.scopes.contains(scope) { Ok(()) } else { Err(InsufficientScope(scope)) }
    }
}

/// The way in by which somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The HTTP API.
    Http,
    /// The chat assistant, on the user's words.
    Chat,
    /// The MCP server, on an agent's call.
    Mcp,
    /// The command line.
    Cli,
    /// The server's own upkeep.
    System,
}

impl Via {
    /// Every way in.
    pub const ALL: [Self; 5] = [Self::Http, Self::Chat, Self::Mcp, Self::Cli, Self::System];

    /// The name in storage and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Chat => "chat",
            Self::Mcp => "mcp",
            Self::Cli => "cli",
            Self::System => "system",
        }
    }

    /// The way in with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|via| via.as_str() == name)
    }
}

/// One kind of permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `tasks:read`
    TasksRead,
    /// `tasks:write`
    TasksWrite,
    /// `chat`. What the assistant does to tasks takes the scopes of tasks besides.
    Chat,
    /// `account`: sessions, tokens, the password and the account itself. Whoever is signed in has it; it cannot be given
    /// to an API token, which could then make itself others.
    Account,
}

impl Scope {
    /// Those that an API token can have.
    pub const GRANTABLE: [Self; 3] = [Self::TasksRead, Self::TasksWrite, Self::Chat];

    /// The scope's name in a token.
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
    /// Everything: what a person who is signed in may do.
    pub fn all() -> Self {
        Self(vec![Scope::TasksRead, Scope::TasksWrite, Scope::Chat, Scope::Account])
    }

    /// What an API token may do: the named scopes, each once, in the order of [`Scope::GRANTABLE`].
    ///
    /// # Errors
    /// [`ScopesError`] if there is none, or one that cannot be given to a token.
    pub fn granted<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ScopesError> {
        let names: Vec<&str> = names.into_iter().collect();
        let known = |name: &&str| Scope::GRANTABLE.iter().any(|scope| scope.as_str() == *name);
        if names.is_empty() || !names.iter().all(known) {
            return Err(ScopesError);
        }
        Ok(Scope::GRANTABLE.into_iter().filter(|scope| names.contains(&scope.as_str())).collect())
    }

    /// The scopes in their order.
    pub fn iter(&self) -> impl Iterator<Item = Scope> {
        self.0.iter().copied()
    }

    /// Whether `scope` is in the set.
    pub fn contains(&self, scope: Scope) -> bool {
        self.0.contains(&scope)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// The names of the scopes with a space between two (RFC 6749, 3.3).
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, scope) in self.0.iter().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{}", scope.as_str())?;
        }
        Ok(())
    }
}

/// The names are no scopes of an API token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one or more of tasks:read, tasks:write and chat")]
pub struct ScopesError;

/// The token does not allow this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope '{}' is needed", .0.as_str())]
pub struct InsufficientScope(pub Scope);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_given_known_scopes_each_once_in_one_order() {
        let scopes = Scopes::granted(["chat", "tasks:read", "chat"]).unwrap();
        assert_eq!(scopes.to_string(), "tasks:read chat");
        assert_eq!(Scopes::granted(scopes.to_string().split(' ')), Ok(scopes));
    }

    #[test]
    fn no_token_is_given_nothing_the_account_or_what_there_is_not() {
        for names in [&[][..], &["account"], &["tasks:read", "account"], &["admin"], &[""], &["Chat"]] {
            assert_eq!(Scopes::granted(names.iter().copied()), Err(ScopesError), "{names:?}");
        }
    }
}
