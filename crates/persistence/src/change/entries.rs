//! Conversion of rows to ledger entries.

use domain::change::{Action, EffectId, EntityId, Entry, Seq};
use domain::id::UserId;
use domain::principal::Via;
use domain::storage::StorageError;
use sea_orm::QueryTrait as _;

use super::{selects, stored_row};
use crate::database::{Database, Row};
use crate::entity::change::{Column, Model};
use crate::error::corrupt;

/// Returns the entries of an effect in their order; none if it has not happened.
pub(super) async fn find_effect(
    database: &Database,
    owner: UserId,
    effect: EffectId,
) -> Result<Vec<Entry>, StorageError> {
    database.read(&selects::effect(owner, effect).into_query(), read).await
}

/// Reads an entry, whose columns are in the order of the entity.
pub(super) fn read(row: &Row<'_>) -> Result<Entry, StorageError> {
    read_from(row, 0)
}

/// Reads an entry whose first column has the index `first`.
pub(super) fn read_from(row: &Row<'_>, first: usize) -> Result<Entry, StorageError> {
    let at = |column: Column| first + column as usize;
    Entry::try_from(Model {
        user_id: row.get(at(Column::UserId))?,
        seq: row.get(at(Column::Seq))?,
        at: row.get(at(Column::At))?,
        operation_id: row.get(at(Column::OperationId))?,
        entity: row.get(at(Column::Entity))?,
        entity_id: row.get(at(Column::EntityId))?,
        action: row.get(at(Column::Action))?,
        before: row.get(at(Column::Before))?,
        after: row.get(at(Column::After))?,
        via: row.get(at(Column::Via))?,
        session_id: row.get(at(Column::SessionId))?,
        api_token_id: row.get(at(Column::ApiTokenId))?,
        turn_id: row.get(at(Column::TurnId))?,
        conversation_id: row.get(at(Column::ConversationId))?,
        message_id: row.get(at(Column::MessageId))?,
        round: row.get(at(Column::Round))?,
        call_index: row.get(at(Column::CallIndex))?,
        part: row.get(at(Column::Part))?,
        request_id: row.get(at(Column::RequestId))?,
        undoes: row.get(at(Column::Undoes))?,
    })
}

/// Converts a stored sequence number.
pub(super) fn seq(number: i64) -> Result<Seq, StorageError> {
    Ok(Seq(u64::try_from(number).map_err(corrupt)?))
}

impl TryFrom<Model> for Entry {
    type Error = StorageError;
    fn try_from(row: Model) -> Result<Self, StorageError> {
        let entity = match row.entity.as_str() {
            "task" => EntityId::Task(row.entity_id.into()),
            other => return Err(corrupt(format!("unknown entity '{other}'"))),
        };
        let stored = |json| stored_row::from_stored(row.user_id.into(), entity, json);
        Ok(Self {
            seq: seq(row.seq)?,
            at: row.at.into(),
            operation: row.operation_id.into(),
            entity,
            action: Action::from_name(&row.action)
                .ok_or_else(|| corrupt(format!("unknown action '{}'", row.action)))?,
            before: row.before.map(stored).transpose()?,
            after: row.after.map(stored).transpose()?,
            via: Via::from_name(&row.via).ok_or_else(|| corrupt(format!("unknown channel '{}'", row.via)))?,
            turn: row.turn_id.map(Into::into),
            conversation: row.conversation_id.map(Into::into),
            message: row.message_id.map(Into::into),
            undoes: row.undoes.map(seq).transpose()?,
        })
    }
}
