-- SHOW METRICS [OF model]: what EVALUATE MODEL measured, the newest first; $1 is the model's name, or empty for all.
SELECT m.model,
       m.version::bigint AS version,
       m.metric,
       m.value,
       m.row_count AS rows,
       m.unknown_rows,
       m.failed_rows,
       m.measured_at::text AS measured_at
  FROM flinkms.model_metrics m
 WHERE $1::text IN ('', m.model)
 ORDER BY m.measured_at DESC, m.model, m.metric
