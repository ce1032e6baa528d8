//! The table `users`.

use std::fmt;

use sea_orm::entity::prelude::*;

use super::Timestamp;

#[derive(Clone, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) email: String,
    pub(crate) email_folded: String,
    pub(crate) name: String,
    pub(crate) time_zone: String,
    pub(crate) password_hash: Option<String>,
    pub(crate) token_version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) change_seq: i64,
    pub(crate) tokens_day: Option<Timestamp>,
    pub(crate) tokens_used: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Prints the id only: no password hash and no personal data.
impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Model").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn debug_output_contains_the_id_only() {
        let at = Timestamp::from(DateTime::UNIX_EPOCH);
        let row = Model {
            id: Uuid::nil(),
            email: "ada@example.com".into(),
            email_folded: "ada@example.com".into(),
            name: "Ada".into(),
            time_zone: "UTC".into(),
            password_hash: Some("$argon2id$x".into()),
            token_version: 0,
            created_at: at,
            updated_at: at,
            change_seq: 0,
            tokens_day: None,
            tokens_used: 0,
        };
        assert_eq!(format!("{row:?}"), "Model { id: 00000000-0000-0000-0000-000000000000, .. }");
    }
}
