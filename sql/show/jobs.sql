-- SHOW JOBS: every job, the newest first.
SELECT j.id AS job,
       j.kind,
       j.model,
       j.version::bigint AS version,
       j.desired,
       j.state,
       j.progress::text AS progress,
       j.error
  FROM flinkms.jobs j
 ORDER BY j.id DESC
