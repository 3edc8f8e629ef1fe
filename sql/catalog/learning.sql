-- Statements over flinkms.version_learning, and the promotion of a version that was trained.

-- name: get
SELECT * FROM flinkms.version_learning WHERE model = %(model)s AND version = %(version)s

-- name: record_training
INSERT INTO flinkms.version_learning (model, version, trained_to) VALUES (%(model)s, %(version)s, %(trained_to)s)
ON CONFLICT (model, version) DO UPDATE SET trained_to = excluded.trained_to

-- name: record_learner
INSERT INTO flinkms.version_learning (model, version, job, flink_job_id, query, plan, start)
VALUES (%(model)s, %(version)s, %(job)s, %(flink_job_id)s, %(query)s, %(plan)s, %(start)s)
ON CONFLICT (model, version) DO UPDATE
SET job = excluded.job, flink_job_id = excluded.flink_job_id, query = excluded.query, plan = excluded.plan,
    start = excluded.start
