-- Which tables a model's training query reads: REFRESH MODEL reads them again, and they cannot be dropped from under it.
ALTER TABLE flinkms.models ADD COLUMN tables jsonb NOT NULL DEFAULT '[]';
COMMENT ON COLUMN flinkms.models.tables IS 'names of the Flink tables that the training query reads';

UPDATE flinkms.models AS m
   SET tables = j.options -> 'tables'
  FROM (SELECT DISTINCT ON (model) model, options FROM flinkms.jobs
         WHERE kind = 'train' AND options ? 'tables' ORDER BY model, id DESC) AS j
 WHERE j.model = m.name AND m.training_query IS NOT NULL;
