-- SHOW TABLES: the Flink tables; PostgreSQL's own are listed by \d.
SELECT t.name AS "table",
       t.kind,
       t.options ->> 'connector' AS connector,
       (SELECT string_agg(format('%s %s', c ->> 'name', c ->> 'type'), ', ' ORDER BY n)
          FROM jsonb_array_elements(t.columns) WITH ORDINALITY AS x(c, n)) AS columns
  FROM flinkms.tables t
 ORDER BY t.name
