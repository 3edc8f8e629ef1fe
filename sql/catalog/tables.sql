-- Statements over flinkms.tables.

-- name: insert
INSERT INTO flinkms.tables (name, kind, columns, options, definition, path)
VALUES (%(name)s, %(kind)s, %(columns)s, %(options)s, %(definition)s, %(path)s)
RETURNING *

-- name: delete
DELETE FROM flinkms.tables WHERE name = %(name)s

-- name: list
SELECT * FROM flinkms.tables ORDER BY name
