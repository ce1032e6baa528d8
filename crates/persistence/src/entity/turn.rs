//! The table `turns`.

use sea_orm::entity::prelude::*;

use super::Timestamp;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "turns")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: Uuid,
    pub(crate) user_id: Uuid,
    pub(crate) conversation_id: Uuid,
    pub(crate) state: String,
    pub(crate) instance: String,
    pub(crate) lease_until: Timestamp,
    pub(crate) provider: String,
    #[expect(clippy::struct_field_names, reason = "the name of the language model")]
    pub(crate) model: String,
    pub(crate) tokens_in: i64,
    pub(crate) tokens_out: i64,
    pub(crate) error_code: Option<String>,
    pub(crate) started_at: Timestamp,
    pub(crate) ended_at: Option<Timestamp>,
    pub(crate) first_token_at: Option<Timestamp>,
    #[expect(clippy::struct_field_names, reason = "the response time of the language model")]
    pub(crate) model_time_us: i64,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) fingerprint: Option<Vec<u8>>,
    pub(crate) attempt: i64,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
