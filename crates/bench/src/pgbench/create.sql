-- The transaction that creates a task: the user's counter, the task, the ledger's row. A client finds its user once. Ids
-- begin with the time, as UUIDv7 does, so that they are inserted at the end of an index.
\if :known
\else
SELECT owner FROM pgbench_clients WHERE client = :client_id \gset
\set known 1
\endif
BEGIN;
UPDATE "users" SET "change_seq" = "users"."change_seq" + 1 WHERE "users"."id" = :owner RETURNING "change_seq";
INSERT INTO "tasks" ("id", "user_id", "title", "title_folded", "completed_at", "version", "created_at", "updated_at", "deleted_at") VALUES ((lpad(to_hex((date_part('epoch', clock_timestamp()) * 1000)::bigint), 12, '0') || substr(md5(random()::text), 13))::uuid, :owner, :title, :title, NULL, 1, now(), now(), NULL) ON CONFLICT ("id") DO NOTHING RETURNING "id" AS task \gset
INSERT INTO "changes" ("user_id", "seq", "at", "operation_id", "entity", "entity_id", "action", "before", "after", "via", "session_id", "api_token_id", "turn_id", "conversation_id", "message_id", "round", "call_index", "part", "request_id", "undoes") VALUES (:owner, (SELECT "change_seq" FROM "users" WHERE "users"."id" = :owner) + 0, now(), :task, 'task', :task, 'created', NULL, :row, 'http', :session, NULL, NULL, NULL, NULL, NULL, NULL, NULL, :session, NULL);
COMMIT;
