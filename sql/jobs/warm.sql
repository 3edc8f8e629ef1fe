-- Warming: a table without rows, so that a plan can be made. Nothing runs.
CREATE TEMPORARY TABLE warm (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '0')
