-- Statements over the schema itself.

-- Locks are on tables that only the owner may lock so: an advisory lock is anybody's to hold.

-- name: first_lock
-- Before there is a registry there is no client either.
SELECT pg_advisory_xact_lock(5066549580791375)

-- name: migration_lock
LOCK TABLE flinkms.migrations IN SHARE ROW EXCLUSIVE MODE

-- name: has_migrations
SELECT to_regclass('flinkms.migrations') IS NOT NULL AS present

-- name: applied
SELECT name, sha256 FROM flinkms.migrations

-- name: record
INSERT INTO flinkms.migrations (name, sha256) VALUES (%(name)s, %(sha256)s)

-- name: change_lock
LOCK TABLE flinkms.generation IN SHARE ROW EXCLUSIVE MODE

-- name: begin_change
-- From here on a change waits only for locks that clients hold on shadows: everybody else's change waits for it.
SELECT set_config('lock_timeout', '5s', true), clock_timestamp() AS at

-- name: exclusive_subject
INSERT INTO flinkms.exclusive (subject) VALUES (%(subject)s) ON CONFLICT DO NOTHING

-- name: try_exclusive
SELECT FROM flinkms.exclusive WHERE subject = %(subject)s FOR UPDATE NOWAIT

-- name: lock_timeout
SELECT set_config('lock_timeout', %(timeout)s, false)

-- name: exclusive
SELECT FROM flinkms.exclusive WHERE subject = %(subject)s FOR UPDATE

-- name: one_moment
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: generation
SELECT value FROM flinkms.generation

-- name: listen_catalog
LISTEN flinkms_catalog

-- name: listen_jobs
LISTEN flinkms_jobs
