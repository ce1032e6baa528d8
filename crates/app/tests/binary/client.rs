//! Somebody who uses a server, and servers that share a database.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::server::Server;

/// Somebody who is signed in.
pub struct Client {
    pub token: String,
    pub user: String,
}

impl Client {
    pub async fn register(server: &Server) -> anyhow::Result<Self> {
        let account = json!({"email": "ada@example.com", "password": "correct horse"});
        let session = server.post("/auth/register", "", account).await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        Ok(Self { token: text(&session["access_token"])?, user: text(&session["user"]["id"])? })
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/{}/{rest}", self.user)
    }

    pub async fn get(&self, server: &Server, path: &str) -> anyhow::Result<Value> {
        server.get(&self.path(path), &self.token).await
    }

    pub async fn say(&self, server: &Server, words: &str, conversation: &str) -> anyhow::Result<Value> {
        let body = json!({"message": words, "conversation_id": conversation});
        server.post(&self.path("chat"), &self.token, body).await
    }

    pub async fn last_message(&self, server: &Server, conversation: &str) -> anyhow::Result<Value> {
        let path = format!("conversations/{conversation}/messages?order=desc&limit=1");
        Ok(self.get(server, &path).await?[0].clone())
    }
}

/// What makes a server of this name work on `database`.
pub fn named<'a>(database: &'a str, name: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("DATABASE_URL", database), ("INSTANCE_ID", name), ("JWT_SECRET", SECRET)]
}

const SECRET: &str = "a secret that both processes know, 32 bytes";
