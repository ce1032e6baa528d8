//! The table `changes`.

use sea_orm::entity::prelude::*;

use super::Timestamp;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "changes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) operation_id: Uuid,
    pub(crate) entity: String,
    pub(crate) entity_id: Uuid,
    pub(crate) action: String,
    pub(crate) before: Option<Json>,
    pub(crate) after: Option<Json>,
    pub(crate) via: String,
    pub(crate) session_id: Option<Uuid>,
    pub(crate) api_token_id: Option<Uuid>,
    pub(crate) turn_id: Option<Uuid>,
    pub(crate) conversation_id: Option<Uuid>,
    pub(crate) message_id: Option<Uuid>,
    pub(crate) round: Option<i32>,
    pub(crate) call_index: Option<i32>,
    pub(crate) part: Option<i32>,
    pub(crate) request_id: String,
    pub(crate) undoes: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
