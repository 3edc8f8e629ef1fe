-- Learning: observations -> deltas against the served rows (Python) -> parameter-server shards (sink, merge = add).
-- The view deltas(bundle) calls learn() on the user's SELECT; a batch's bundle is in its first row.
INSERT INTO model_push SELECT bundle FROM deltas
