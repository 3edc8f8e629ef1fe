-- Statements over models, their versions, aliases and metrics.

-- name: insert
INSERT INTO flinkms.models (name, algorithm, inputs, outputs, options, training_query, definition, recommends, tables)
VALUES (%(name)s, %(algorithm)s, %(inputs)s, %(outputs)s, %(options)s, %(training_query)s, %(definition)s, %(recommends)s,
        %(tables)s)
RETURNING *

-- name: delete
DELETE FROM flinkms.models WHERE name = %(model)s

-- name: set_options
UPDATE flinkms.models SET options = %(options)s WHERE name = %(model)s

-- name: get
SELECT * FROM flinkms.models WHERE name = %(model)s

-- name: list
SELECT * FROM flinkms.models ORDER BY name

-- name: begin_version
INSERT INTO flinkms.model_versions (model, version, state, path, options)
SELECT %(model)s, next, 'training', %(directory)s || '/v' || next, %(options)s
FROM (SELECT coalesce(max(version), 0) + 1 AS next FROM flinkms.model_versions WHERE model = %(model)s) AS number
RETURNING *

-- name: get_version
SELECT * FROM flinkms.model_versions WHERE model = %(model)s AND version = %(version)s

-- name: hold_version
SELECT state FROM flinkms.model_versions WHERE model = %(model)s AND version = %(version)s AND path = %(path)s FOR KEY SHARE

-- name: list_versions
SELECT * FROM flinkms.model_versions WHERE model = %(model)s ORDER BY version

-- name: list_ready
SELECT * FROM flinkms.model_versions WHERE state = 'ready' ORDER BY model, version

-- name: list_retired
SELECT model, version FROM flinkms.model_versions WHERE state = 'retired'

-- name: publish
UPDATE flinkms.model_versions
SET state = 'ready', training_rows = %(training_rows)s, failed_rows = %(failed_rows)s, failures = %(failures)s,
    duration_ms = %(duration_ms)s, code_hash = %(code_hash)s, training_metrics = %(training_metrics)s,
    positions = %(positions)s, published_at = clock_timestamp()
WHERE model = %(model)s AND version = %(version)s
RETURNING *

-- name: set_version_state
UPDATE flinkms.model_versions SET state = %(state)s, error = %(error)s
WHERE model = %(model)s AND version = %(version)s

-- name: list_aliases
SELECT * FROM flinkms.model_aliases ORDER BY model, alias

-- name: get_alias
SELECT version FROM flinkms.model_aliases WHERE model = %(model)s AND alias = %(alias)s

-- name: aliases_of_version
SELECT alias FROM flinkms.model_aliases WHERE model = %(model)s AND version = %(version)s ORDER BY alias

-- name: set_alias
INSERT INTO flinkms.model_aliases (model, alias, version) VALUES (%(model)s, %(alias)s, %(version)s)
ON CONFLICT (model, alias) DO UPDATE SET version = excluded.version

-- name: drop_alias
DELETE FROM flinkms.model_aliases WHERE model = %(model)s AND alias = %(alias)s

-- name: end_alias
UPDATE flinkms.alias_history SET valid_to = %(at)s
WHERE model = %(model)s AND alias = %(alias)s AND valid_to IS NULL

-- name: start_alias
INSERT INTO flinkms.alias_history (model, alias, version, valid_from, reason)
VALUES (%(model)s, %(alias)s, %(version)s, %(at)s, %(reason)s)

-- name: history_of_alias
SELECT * FROM flinkms.alias_history WHERE model = %(model)s AND alias = %(alias)s ORDER BY valid_from

-- name: list_history
SELECT * FROM flinkms.alias_history ORDER BY model, alias, valid_from

-- name: insert_metric
INSERT INTO flinkms.model_metrics (model, version, metric, value, row_count, unknown_rows, failed_rows)
VALUES (%(model)s, %(version)s, %(metric)s, %(value)s, %(row_count)s, %(unknown_rows)s, %(failed_rows)s)

-- name: list_metrics
SELECT * FROM flinkms.model_metrics WHERE model = %(model)s ORDER BY measured_at, metric

-- name: delete_load_failures
DELETE FROM flinkms.load_failures WHERE frontend = %(frontend)s OR failed_at < now() - interval '1 day'

-- name: insert_load_failure
INSERT INTO flinkms.load_failures (frontend, model, version, error)
VALUES (%(frontend)s, %(model)s, %(version)s, %(error)s)

-- name: list_load_failures
SELECT * FROM flinkms.load_failures WHERE failed_at > now() - interval '5 minutes' ORDER BY frontend, model, version
