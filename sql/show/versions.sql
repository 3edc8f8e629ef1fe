-- SHOW VERSIONS [OF model]: $1 is the model's name, or empty for all models.
SELECT v.model,
       v.version::bigint AS version,
       v.state,
       (SELECT string_agg(a.alias, ', ' ORDER BY a.alias)
          FROM flinkms.model_aliases a WHERE a.model = v.model AND a.version = v.version) AS aliases,
       v.training_rows,
       v.failed_rows,
       v.duration_ms,
       v.training_metrics::text AS training_metrics,
       v.published_at::text AS published_at,
       coalesce(v.error,
                (SELECT string_agg('frontend ' || f.frontend || ' cannot load it: ' || f.error, '; ' ORDER BY f.frontend)
                   FROM flinkms.load_failures f
                  WHERE f.model = v.model AND f.version = v.version AND f.failed_at > now() - interval '5 minutes')
               ) AS error
  FROM flinkms.model_versions v
 WHERE $1::text IN ('', v.model)
 ORDER BY v.model, v.version
