//! The ledger: every change of a user's rows, numbered without a gap, with the row before and after it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{
    big_integer, big_integer_null, integer_null, json_binary_null, text, timestamp_with_time_zone, uuid, uuid_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const ACTIONS: [&str; 7] = ["created", "updated", "completed", "reopened", "deleted", "restored", "purged"];

/// What a change that a tool call made has, and no other.
const OF_A_CALL: &str = "(turn_id IS NULL) = (conversation_id IS NULL) AND (turn_id IS NULL) = (message_id IS NULL) \
                         AND (turn_id IS NULL) = (round IS NULL) AND (turn_id IS NULL) = (call_index IS NULL) \
                         AND (turn_id IS NULL) = (part IS NULL)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // The number of the user's newest change. A write raises it first, so that a user's writes are made one by one.
        let change_seq = big_integer("change_seq").default(0).check(Expr::cust("change_seq >= 0")).take();
        manager.alter_table(Table::alter().table("users").add_column(change_seq).take()).await?;

        let mut table = Table::create();
        table
            .table("changes")
            .col(uuid("user_id"))
            .col(big_integer("seq"))
            .col(timestamp_with_time_zone("at"))
            .col(uuid("operation_id"))
            .col(text("entity"))
            .col(uuid("entity_id"))
            .col(text("action"))
            // The row before and after, in a versioned form of its own; none once the row has been purged.
            .col(json_binary_null("before"))
            .col(json_binary_null("after"))
            .col(text("via"))
            // No foreign keys: the ledger outlives what it names.
            .col(uuid_null("session_id"))
            .col(uuid_null("api_token_id"))
            .col(uuid_null("turn_id"))
            .col(uuid_null("conversation_id"))
            .col(uuid_null("message_id"))
            // The round of the turn, the call's place in it, and the change's place among those of the call, from 0.
            .col(integer_null("round"))
            .col(integer_null("call_index"))
            .col(integer_null("part"))
            .col(text("request_id"))
            // The number of the change that this one undoes.
            .col(big_integer_null("undoes"))
            .primary_key(Index::create().col("user_id").col("seq"))
            .check(Expr::cust("seq >= 1"))
            .check(Expr::col("entity").is_in(["task"]))
            .check(Expr::col("action").is_in(ACTIONS))
            .check(Expr::col("via").is_in(["http", "chat", "mcp", "cli", "system"]))
            .check(Expr::cust("length(request_id) BETWEEN 1 AND 128"))
            .check(Expr::cust(OF_A_CALL))
            .check(Expr::cust("round >= 0 AND call_index >= 0 AND part >= 0"))
            .check(Expr::cust("undoes >= 1 AND undoes < seq"))
            .foreign_key(
                ForeignKey::create().from("changes", "user_id").to("users", "id").on_delete(ForeignKeyAction::Cascade),
            );
        manager.create_table(table).await?;

        let mut effect = Index::create();
        effect.name("changes_effect_key").table("changes").unique().and_where(Expr::col("turn_id").is_not_null());
        for column in ["turn_id", "round", "call_index", "part"] {
            effect.col(column);
        }
        manager.create_index(effect).await?;
        let of_a_conversation = Expr::col("conversation_id").is_not_null();
        let undoes_nothing = Expr::col("undoes").is_null();
        for (name, columns, rows) in [
            ("changes_operation_idx", ["user_id", "operation_id"], None),
            ("changes_entity_idx", ["user_id", "entity_id"], None),
            ("changes_message_idx", ["user_id", "message_id"], Some(Expr::col("message_id").is_not_null())),
            ("changes_turns_idx", ["user_id", "conversation_id"], Some(of_a_conversation.and(undoes_nothing))),
            ("changes_undoes_idx", ["user_id", "undoes"], Some(Expr::col("undoes").is_not_null())),
        ] {
            let mut index = Index::create();
            index.name(name).table("changes");
            for column in columns.into_iter().chain(["seq"]) {
                index.col(column);
            }
            if let Some(rows) = rows {
                index.and_where(rows);
            }
            manager.create_index(index).await?;
        }
        // For upkeep, which looks for users.
        let mut at = Index::create();
        at.name("changes_at_idx").table("changes").col("at").col("user_id");
        manager.create_index(at).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("changes").take()).await?;
        manager.alter_table(Table::alter().table("users").drop_column("change_seq").take()).await
    }
}
