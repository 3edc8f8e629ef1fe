-- DESCRIBE MODEL: what is declared of the model $1, one property a row.
SELECT p.property, p.value
  FROM flinkms.models m
 CROSS JOIN LATERAL (
       SELECT 1 AS place, 'model' AS property, m.name AS value
        UNION ALL SELECT 2, 'algorithm', m.algorithm
        UNION ALL SELECT 2 + n, 'input ' || (i ->> 'name'), i ->> 'type'
                    FROM jsonb_array_elements(m.inputs) WITH ORDINALITY AS x(i, n)
        UNION ALL SELECT 1000 + n, 'output ' || (o ->> 'name'), o ->> 'type'
                    FROM jsonb_array_elements(m.outputs) WITH ORDINALITY AS x(o, n)
        UNION ALL SELECT 2000, 'live version',
                         (SELECT a.version::text FROM flinkms.model_aliases a
                           WHERE a.model = m.name AND a.alias = 'live')
        UNION ALL SELECT 3000 + row_number() OVER (ORDER BY o.key), 'option ' || o.key, o.value
                    FROM jsonb_each_text(m.options) AS o
        UNION ALL SELECT 9000, 'training query', m.training_query
       ) AS p
 WHERE m.name = $1::text
 ORDER BY p.place
