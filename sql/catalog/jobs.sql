-- Statements over flinkms.jobs.

-- name: insert
INSERT INTO flinkms.jobs (kind, model, version, statement, query, options, desired)
VALUES (%(kind)s, %(model)s, %(version)s, %(statement)s, %(query)s, %(options)s, %(desired)s)
RETURNING *

-- name: next_queued
SELECT id FROM flinkms.jobs WHERE state = 'queued' AND desired <> 'canceled'
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: claim
UPDATE flinkms.jobs SET state = 'starting', started_at = coalesce(started_at, now())
WHERE id = %(id)s
RETURNING *

-- name: update
UPDATE flinkms.jobs
SET state = coalesce(%(state)s, state), flink_job_id = coalesce(%(flink_job_id)s, flink_job_id),
    version = coalesce(%(version)s, version), options = coalesce(%(options)s, options),
    progress = coalesce(%(progress)s, progress),
    error = CASE WHEN %(state)s = 'running' THEN NULL ELSE coalesce(%(error)s, error) END,
    sqlstate = CASE WHEN %(state)s = 'running' THEN NULL ELSE coalesce(%(sqlstate)s, sqlstate) END,
    attempts = CASE WHEN %(state)s = 'running' THEN 0 ELSE coalesce(%(attempts)s, attempts) END
WHERE id = %(job)s AND state NOT IN ('finished', 'failed', 'canceled')

-- name: finish
UPDATE flinkms.jobs
SET state = %(state)s, result = %(result)s, error = %(error)s, sqlstate = %(sqlstate)s, ended_at = clock_timestamp()
WHERE id = %(job)s AND state NOT IN ('finished', 'failed', 'canceled')

-- name: set_desired
UPDATE flinkms.jobs
SET desired = %(desired)s,
    state = CASE WHEN %(desired)s = 'canceled' AND state = 'queued' THEN 'canceled' ELSE state END,
    ended_at = CASE WHEN %(desired)s = 'canceled' AND state = 'queued' THEN clock_timestamp() ELSE ended_at END
WHERE id = %(job)s

-- name: learner_of_model
SELECT id FROM flinkms.jobs
WHERE kind = 'learn' AND model = %(model)s AND desired = 'running' AND state NOT IN ('finished', 'failed', 'canceled')

-- name: get
SELECT * FROM flinkms.jobs WHERE id = %(job)s

-- name: list
SELECT * FROM flinkms.jobs
WHERE (cardinality(%(states)s::text[]) = 0 OR state = ANY (%(states)s::text[]))
  AND (%(model)s::text IS NULL OR model = %(model)s)
ORDER BY id

-- name: hand_over_learners
UPDATE flinkms.jobs AS j
SET options = j.options || jsonb_build_object(%(option)s::text, l.held)
FROM (SELECT job, jsonb_agg(flink_job_id ORDER BY version) AS held FROM flinkms.version_learning
      WHERE model = %(model)s AND flink_job_id IS NOT NULL GROUP BY job) AS l
WHERE j.id = l.job AND j.kind = 'learn' AND j.state NOT IN ('finished', 'failed', 'canceled')
