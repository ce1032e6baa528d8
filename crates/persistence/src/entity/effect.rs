//! The table `effects`.

use sea_orm::entity::prelude::*;

use super::Timestamp;

#[derive(Clone, Debug, DeriveEntityModel)]
#[sea_orm(table_name = "effects")]
pub(crate) struct Model {
    pub(crate) user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) turn_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) round: i32,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) call_index: i32,
    pub(crate) task_id: Uuid,
    pub(crate) before: Option<Json>,
    pub(crate) after: Option<Json>,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
