//! Conversion of rows to ledger entries.

use domain::change::{Action, EffectId, EntityId, Entry, Seq};
use domain::id::UserId;
use domain::principal::Via;
use domain::storage::StorageError;
use sea_orm::ConnectionTrait;

use super::{selects, stored_row};
use crate::entity::change::Model;
use crate::error::{corrupt, storage};

/// Returns the entries of an effect in their order; none if it has not happened.
pub(super) async fn find_effect<C: ConnectionTrait>(
    db: &C,
    owner: UserId,
    effect: EffectId,
) -> Result<Vec<Entry>, StorageError> {
    let rows = selects::effect(owner, effect).all(db).await.map_err(storage)?;
    rows.into_iter().map(Entry::try_from).collect()
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
