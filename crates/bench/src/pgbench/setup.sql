-- The user and the task of each pgbench client. VACUUM ANALYZE has run before the first measurement.
CREATE TABLE pgbench_clients AS
SELECT
    row_number() OVER (ORDER BY users.id) - 1 AS client,
    users.id AS owner,
    (SELECT tasks.id FROM tasks WHERE tasks.user_id = users.id ORDER BY tasks.id DESC LIMIT 1) AS task
FROM users;
