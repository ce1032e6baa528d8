-- The transaction that changes a title: the user's counter, the task at its version, the ledger's row. A client finds
-- its user and task once, and fails if the task does not have the expected version.
\if :known
\else
SELECT c.owner, c.task, t.version FROM pgbench_clients c JOIN tasks t ON t.id = c.task WHERE client = :client_id \gset
\set known 1
\endif
\set next :version + 1
BEGIN;
UPDATE "users" SET "change_seq" = "users"."change_seq" + 1 WHERE "users"."id" = :owner RETURNING "change_seq";
UPDATE "tasks" SET "title" = :title, "title_folded" = :title, "completed_at" = NULL, "deleted_at" = NULL, "version" = :next, "updated_at" = now() WHERE "tasks"."user_id" = :owner AND "tasks"."id" = :task AND "tasks"."version" = :version RETURNING "version" \gset
INSERT INTO "changes" ("user_id", "seq", "at", "operation_id", "entity", "entity_id", "action", "before", "after", "via", "session_id", "api_token_id", "turn_id", "conversation_id", "message_id", "round", "call_index", "part", "request_id", "undoes") VALUES (:owner, (SELECT "change_seq" FROM "users" WHERE "users"."id" = :owner) + 0, now(), (lpad(to_hex((date_part('epoch', clock_timestamp()) * 1000)::bigint), 12, '0') || substr(md5(random()::text), 13))::uuid, 'task', :task, 'updated', :row, :row, 'http', :session, NULL, NULL, NULL, NULL, NULL, NULL, NULL, :session, NULL);
COMMIT;
