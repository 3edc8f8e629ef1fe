-- What a version has learned belongs to the version; one learner a model; a job that is started anew says why.
CREATE TABLE flinkms.version_learning (
    model         text NOT NULL,
    version       integer NOT NULL,
    trained_to    jsonb NOT NULL DEFAULT '{}', -- stream's directory -> partition -> [epoch, offset]: the end of its training
    job           bigint,              -- the standing job on whose behalf the version learns
    flink_job_id  text,                -- its latest learner: the newest checkpoint of it is what the version has learned
    query         text,                -- what that learner reads
    plan          text,                -- SHA-256 of all that decides whether its checkpoint can be restored
    start         jsonb,               -- where it started: {"restore", "sources", "logs"}; counts until its first checkpoint
    PRIMARY KEY (model, version),
    FOREIGN KEY (model, version) REFERENCES flinkms.model_versions ON DELETE CASCADE
);

-- Jobs of before: the newest learner of a version is the one whose checkpoints count.
INSERT INTO flinkms.version_learning (model, version, job, flink_job_id, query, plan, start)
SELECT DISTINCT ON (j.model, j.version) j.model, j.version, j.id, j.flink_job_id, j.query, '',
       jsonb_build_object('restore', j.options -> 'restore', 'sources', '{}'::jsonb, 'logs', '{}'::jsonb)
  FROM flinkms.jobs AS j JOIN flinkms.model_versions AS v ON v.model = j.model AND v.version = j.version
 WHERE j.kind = 'learn' AND j.flink_job_id IS NOT NULL
 ORDER BY j.model, j.version, j.id DESC;

ALTER TABLE flinkms.jobs ADD COLUMN attempts integer NOT NULL DEFAULT 0;
COMMENT ON COLUMN flinkms.jobs.attempts IS 'failures since it last made progress; error says what the newest was';

-- Two learners of one model would fight for its log: all but the newest are stopped.
UPDATE flinkms.jobs AS j
   SET desired = 'canceled',
       state = CASE WHEN state = 'queued' THEN 'canceled' ELSE state END,
       ended_at = CASE WHEN state = 'queued' THEN now() ELSE ended_at END
 WHERE j.kind = 'learn' AND j.desired = 'running' AND j.state NOT IN ('finished', 'failed', 'canceled')
   AND EXISTS (SELECT FROM flinkms.jobs AS newer
                WHERE newer.kind = 'learn' AND newer.model = j.model AND newer.desired = 'running' AND newer.id > j.id
                  AND newer.state NOT IN ('finished', 'failed', 'canceled'));
CREATE UNIQUE INDEX one_learner ON flinkms.jobs (model)
 WHERE kind = 'learn' AND desired = 'running' AND state NOT IN ('finished', 'failed', 'canceled');
