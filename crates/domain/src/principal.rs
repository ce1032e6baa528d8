//! Who acts, and what they may do.

use crate::id::{SessionId, UserId};

/// Who acts. Made from a verified token, never from a path, a body or a model's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The owner of every row that may be touched.
    pub user: UserId,
    /// The session that the token belongs to, where there is one.
    pub session: Option<SessionId>,
    /// The way in.
    pub via: Via,
    /// What is allowed.
    pub scopes: Scopes,
}

impl Principal {
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
}

/// One kind of permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `tasks:read`
    TasksRead,
    /// `tasks:write`
    TasksWrite,
    /// `chat`
    Chat,
}

impl Scope {
    /// The scope's name in a token.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TasksRead => "tasks:read",
            Self::TasksWrite => "tasks:write",
            Self::Chat => "chat",
        }
    }
}

/// A set of [`Scope`]s.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<Scope>);

impl Scopes {
    /// Everything: what a person who is signed in may do.
    pub fn all() -> Self {
        Self(vec![Scope::TasksRead, Scope::TasksWrite, Scope::Chat])
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

/// The token does not allow this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope '{}' is needed", .0.as_str())]
pub struct InsufficientScope(pub Scope);
