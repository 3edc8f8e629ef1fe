-- Statements over the schema itself.

-- name: migration_lock
SELECT pg_advisory_xact_lock(5066549580791375)

-- name: has_migrations
SELECT to_regclass('flinkms.migrations') IS NOT NULL AS present

-- name: applied
SELECT name, sha256 FROM flinkms.migrations

-- name: record
INSERT INTO flinkms.migrations (name, sha256) VALUES (%(name)s, %(sha256)s)

-- name: change_lock
SELECT pg_advisory_xact_lock(5066549580791376), clock_timestamp() AS at

-- name: try_exclusive
SELECT pg_try_advisory_lock(hashtextextended(%(subject)s, 5066549580791377)) AS held

-- name: lock_timeout
SELECT set_config('lock_timeout', %(timeout)s, false)

-- name: exclusive
SELECT pg_advisory_lock(hashtextextended(%(subject)s, 5066549580791377))

-- name: one_moment
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY

-- name: generation
SELECT value FROM flinkms.generation

-- name: listen_catalog
LISTEN flinkms_catalog

-- name: listen_jobs
LISTEN flinkms_jobs
