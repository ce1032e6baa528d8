-- The statement that reads the newest 20 tasks. A client finds its user once.
\if :known
\else
SELECT owner FROM pgbench_clients WHERE client = :client_id \gset
\set known 1
\endif
SELECT "tasks"."id", "tasks"."user_id", "tasks"."title", "tasks"."title_folded", "tasks"."completed_at", "tasks"."version", "tasks"."created_at", "tasks"."updated_at", "tasks"."deleted_at" FROM "tasks" WHERE "tasks"."user_id" = :owner AND "tasks"."deleted_at" IS NULL ORDER BY "tasks"."id" DESC LIMIT :rows;
