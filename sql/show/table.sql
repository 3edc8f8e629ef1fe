-- DESCRIBE TABLE: what is declared of the Flink table $1, one property a row, and who depends on it.
SELECT p.property, p.value
  FROM flinkms.tables t
 CROSS JOIN LATERAL (
       SELECT 1 AS place, 'table' AS property, t.name AS value
        UNION ALL SELECT 2, 'kind', t.kind
        UNION ALL SELECT 2 + n, 'column ' || (c ->> 'name'), c ->> 'type'
                    FROM jsonb_array_elements(t.columns) WITH ORDINALITY AS x(c, n)
        UNION ALL SELECT 3000 + row_number() OVER (ORDER BY o.key), 'option ' || o.key, o.value
                    FROM jsonb_each_text(t.options) AS o
        UNION ALL SELECT 5000 + row_number() OVER (ORDER BY m.name), 'model trained from it', m.name
                    FROM flinkms.models AS m WHERE m.tables ? t.name
        UNION ALL SELECT 7000 + row_number() OVER (ORDER BY j.id), 'job over it', j.id || ' (' || j.kind || ')'
                    FROM flinkms.jobs AS j
                   WHERE (j.options -> 'tables' ? t.name OR j.options -> 'targets' ? t.name)
                     AND j.state NOT IN ('finished', 'failed', 'canceled')
       ) AS p
 WHERE t.name = $1::text
 ORDER BY p.place
