-- SHOW MODELS: one row a model, with the version that an address without a version means.
SELECT m.name AS model,
       m.algorithm,
       (SELECT string_agg(format('%s %s', i ->> 'name', i ->> 'type'), ', ' ORDER BY n)
          FROM jsonb_array_elements(m.inputs) WITH ORDINALITY AS t(i, n))
       || ' -> ' ||
       (SELECT string_agg(format('%s %s', o ->> 'name', o ->> 'type'), ', ' ORDER BY n)
          FROM jsonb_array_elements(m.outputs) WITH ORDINALITY AS t(o, n)) AS signature,
       a.version::bigint AS live,
       (SELECT count(*) FROM flinkms.model_versions v WHERE v.model = m.name) AS versions
  FROM flinkms.models m
  LEFT JOIN flinkms.model_aliases a ON a.model = m.name AND a.alias = 'live'
 ORDER BY m.name
