-- SHOW JOBS [OF model]: every job, the newest first; $1 is the model's name, or empty for all. What is started anew
-- keeps its error until it runs again; attempts are its failures since it last made progress.
SELECT j.id AS job,
       j.kind,
       j.model,
       j.version::bigint AS version,
       j.desired,
       j.state,
       j.progress::text AS progress,
       j.attempts::bigint AS attempts,
       j.error
  FROM flinkms.jobs j
 WHERE $1::text IN ('', j.model)
 ORDER BY j.id DESC
