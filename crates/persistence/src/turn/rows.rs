//! Rows of turns with their messages, and the statement that selects them.

use chrono::{DateTime, Utc};
use domain::conversation::message::{Message, Role};
use domain::conversation::turn::{FailureCode, Turn, TurnState, Usage};
use domain::conversation::{Fingerprint, StoredAnswer};
use domain::id::UserId;
use domain::storage::StorageError;
use sea_orm::prelude::Json;
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ColumnTrait as _, Condition, ExprTrait as _};
use uuid::Uuid;

use crate::database::Row;
use crate::entity::{Timestamp, message, turn};
use crate::error::corrupt;
use crate::json::from_json;

/// Alias of the user's message in the join.
const QUESTION: &str = "question";

/// A turn with the id and position of the user's message, and with the assistant's message.
pub(super) struct StoredTurn {
    id: Uuid,
    conversation_id: Uuid,
    state: String,
    has_valid_lease: bool,
    started_at: Timestamp,
    fingerprint: Option<Vec<u8>>,
    attempt: i64,
    error_code: Option<String>,
    tokens_in: i64,
    tokens_out: i64,
    question_id: Uuid,
    question_position: i64,
    answer_id: Uuid,
    position: i64,
    parts: Json,
    status: String,
    created_at: Timestamp,
}

impl StoredTurn {
    /// Selects the owner's turn that matches `filter`; `now` is the database's time.
    pub(super) fn select(owner: UserId, filter: Expr, now: Expr) -> SelectStatement {
        use message::Column as M;
        use turn::Column as T;
        let own = [T::Id, T::ConversationId, T::State, T::StartedAt, T::Fingerprint, T::Attempt];
        let mut select = Query::select();
        select
            .columns(
                own.into_iter().chain([T::TokensIn, T::TokensOut, T::ErrorCode]).map(|column| (turn::Entity, column)),
            )
            .expr_as(Expr::col((QUESTION, M::Id)), "question_id")
            .expr_as(Expr::col((QUESTION, M::Position)), "question_position")
            .expr_as(Expr::col((message::Entity, M::Id)), "answer_id")
            .columns([M::Position, M::Parts, M::Status, M::CreatedAt].map(|column| (message::Entity, column)))
            .expr_as(Expr::col((turn::Entity, T::LeaseUntil)).gt(now), "has_valid_lease")
            .from(turn::Entity)
            .join_as(
                sea_orm::JoinType::InnerJoin,
                message::Entity,
                QUESTION,
                Condition::all()
                    .add(Expr::col((QUESTION, M::UserId)).equals((turn::Entity, T::UserId)))
                    .add(Expr::col((QUESTION, M::TurnId)).equals((turn::Entity, T::Id)))
                    .add(Expr::col((QUESTION, M::Role)).eq(Role::User.as_str())),
            )
            .inner_join(
                message::Entity,
                Condition::all()
                    .add(Expr::col((message::Entity, M::UserId)).equals((turn::Entity, T::UserId)))
                    .add(Expr::col((message::Entity, M::TurnId)).equals((turn::Entity, T::Id)))
                    .add(M::Role.eq(Role::Assistant.as_str())),
            )
            .and_where(T::UserId.eq(owner.as_uuid()))
            .and_where(filter);
        select
    }

    /// Reads a row of [`StoredTurn::select`].
    pub(super) fn read(row: &Row<'_>) -> Result<Self, StorageError> {
        Ok(Self {
            id: row.get(0)?,
            conversation_id: row.get(1)?,
            state: row.get(2)?,
            started_at: row.get(3)?,
            fingerprint: row.get(4)?,
            attempt: row.get(5)?,
            tokens_in: row.get(6)?,
            tokens_out: row.get(7)?,
            error_code: row.get(8)?,
            question_id: row.get(9)?,
            question_position: row.get(10)?,
            answer_id: row.get(11)?,
            position: row.get(12)?,
            parts: row.get(13)?,
            status: row.get(14)?,
            created_at: row.get(15)?,
            has_valid_lease: row.get(16)?,
        })
    }

    /// When the first attempt began.
    pub(super) fn started_at(&self) -> DateTime<Utc> {
        self.started_at.into()
    }

    /// Whether the lease had not expired when the row was read.
    pub(super) fn has_valid_lease(&self) -> bool {
        self.has_valid_lease
    }

    pub(super) fn has_fingerprint(&self, fingerprint: Fingerprint) -> bool {
        self.fingerprint.as_deref() == Some(fingerprint.0.as_slice())
    }

    pub(super) fn state(&self) -> Result<TurnState, StorageError> {
        state(&self.state)
    }

    pub(super) fn turn(&self) -> Result<Turn, StorageError> {
        Ok(Turn {
            id: self.id.into(),
            conversation: self.conversation_id.into(),
            user_message: self.question_id.into(),
            position: u32::try_from(self.question_position).map_err(corrupt)?,
            assistant_message: self.answer_id.into(),
            attempt: u32::try_from(self.attempt).map_err(corrupt)?,
        })
    }

    pub(super) fn into_answer(self) -> Result<StoredAnswer, StorageError> {
        let turn = self.turn()?;
        let usage = match self.state()? {
            TurnState::Running => Usage::default(),
            TurnState::Complete | TurnState::Stopped | TurnState::Failed => usage(self.tokens_in, self.tokens_out)?,
        };
        // A newer version of the server may have stored a code that this one does not know.
        let error_code = self.error_code.as_deref().and_then(FailureCode::from_name);
        let message = Message {
            id: self.answer_id.into(),
            conversation: turn.conversation,
            position: u32::try_from(self.position).map_err(corrupt)?,
            role: Role::Assistant,
            parts: from_json(self.parts)?,
            status: state(&self.status)?,
            created_at: self.created_at.into(),
        };
        Ok(StoredAnswer { turn, message, usage, error_code })
    }
}

/// Parses a stored state.
pub(crate) fn state(text: &str) -> Result<TurnState, StorageError> {
    let states = [TurnState::Running, TurnState::Complete, TurnState::Stopped, TurnState::Failed];
    let found = states.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| corrupt(format!("unknown turn state '{text}'")))
}

/// Converts stored token counts.
pub(super) fn usage(tokens_in: i64, tokens_out: i64) -> Result<Usage, StorageError> {
    Ok(Usage {
        tokens_in: u64::try_from(tokens_in).map_err(corrupt)?,
        tokens_out: u64::try_from(tokens_out).map_err(corrupt)?,
    })
}
