-- Warming: the shape of a job, planned and thrown away.
SELECT COUNT(*) FROM warm WHERE id > 0
