-- "This key and all below it", which asks with LIKE: a partial index would not be used for that, nor would another collation's.
DROP INDEX journalrecord_key;
CREATE INDEX journalrecord_key ON supervision_journalrecord (key varchar_pattern_ops, id DESC);

-- A node's latest records, and among them those about the node as a whole.
CREATE INDEX journalrecord_node ON supervision_journalrecord (node_id, id DESC);
CREATE INDEX journalrecord_node_itself ON supervision_journalrecord (node_id, id DESC) WHERE tree = '';
