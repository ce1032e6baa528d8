//! A signed-in user of the servers on one database.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::server::Server;

/// A signed-in user.
pub struct Client {
    pub token: String,
    pub user: String,
}

impl Client {
    pub async fn register(server: &Server) -> anyhow::Result<Self> {
        let account = json!({"email": "ada@example.com", "password": "correct horse"});
        let session = server.post("/auth/register", "", account).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("not a string");
        Ok(Self { token: text(&session["access_token"])?, user: text(&session["user"]["id"])? })
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/{}/{rest}", self.user)
    }

    pub async fn get(&self, server: &Server, path: &str) -> anyhow::Result<Value> {
        server.get(&self.path(path), &self.token).await
    }

    pub async fn say(&self, server: &Server, message: &str, conversation: &str) -> anyhow::Result<Value> {
        let body = json!({"message": message, "conversation_id": conversation});
        server.post(&self.path("chat"), &self.token, body).await
    }

    pub async fn last_message(&self, server: &Server, conversation: &str) -> anyhow::Result<Value> {
        let path = format!("conversations/{conversation}/messages?order=desc&limit=1");
        Ok(self.get(server, &path).await?[0].clone())
    }
}

/// The variables of a server with this instance id on `database`.
pub fn instance<'a>(database: &'a str, name: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("DATABASE_URL", database), ("INSTANCE_ID", name), ("JWT_SECRET", SECRET)]
}

const SECRET: &str = "a secret shared by all processes, 32 bytes";
