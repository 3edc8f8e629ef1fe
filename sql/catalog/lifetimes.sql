-- Statements of upkeep: what is no longer needed.

-- name: leftovers
SELECT l.path, l.kind, l.since FROM flinkms.leftovers AS l
WHERE NOT EXISTS (SELECT FROM flinkms.tables AS t WHERE t.path = l.path)
  AND NOT EXISTS (SELECT FROM flinkms.model_versions AS v WHERE v.path = l.path AND v.state IN ('training', 'ready'))
ORDER BY l.since, l.path

-- name: forget_leftover
DELETE FROM flinkms.leftovers WHERE path = %(path)s

-- name: checkpoints_in_use
SELECT l.flink_job_id, l.start ->> 'restore' AS restore
FROM flinkms.version_learning AS l JOIN flinkms.model_versions AS v USING (model, version)
WHERE v.state IN ('training', 'ready')
UNION ALL
SELECT flink_job_id, options ->> 'restore' FROM flinkms.jobs WHERE state NOT IN ('finished', 'failed', 'canceled')

-- name: trim_jobs
DELETE FROM flinkms.jobs AS j
WHERE state IN ('finished', 'failed', 'canceled')
  AND NOT EXISTS (SELECT FROM flinkms.version_learning AS l WHERE l.job = j.id)
  AND NOT EXISTS (SELECT FROM flinkms.models AS m
                  WHERE m.name = j.model
                    AND j.id = (SELECT max(n.id) FROM flinkms.jobs AS n WHERE n.kind = 'train' AND n.model = j.model))
  AND id <= (SELECT id FROM flinkms.jobs WHERE state IN ('finished', 'failed', 'canceled')
             ORDER BY id DESC OFFSET %(keep)s LIMIT 1)
