-- The nodes' records, one partition a month of receipt; what comes when no partition was made ahead goes into the default.
CREATE SEQUENCE supervision_journalrecord_id_seq AS bigint;

CREATE TABLE supervision_journalrecord (
    id bigint NOT NULL DEFAULT nextval('supervision_journalrecord_id_seq'),
    node_id varchar(32) NOT NULL,
    stream_epoch bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    boot double precision NOT NULL,
    kind varchar(16) NOT NULL,
    tree varchar(64) NOT NULL DEFAULT '',
    key varchar(2300) NOT NULL DEFAULT '',
    body jsonb NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);

ALTER SEQUENCE supervision_journalrecord_id_seq OWNED BY supervision_journalrecord.id;

CREATE INDEX journalrecord_stream ON supervision_journalrecord (node_id, stream_epoch, seq);
CREATE INDEX journalrecord_tree ON supervision_journalrecord (tree, id DESC) WHERE tree <> '';
CREATE INDEX journalrecord_key ON supervision_journalrecord (key, id DESC) WHERE key <> '';
CREATE INDEX journalrecord_at ON supervision_journalrecord (at);
CREATE INDEX journalrecord_snapshot ON supervision_journalrecord (node_id, stream_epoch, seq) WHERE kind = 'snapshot';

CREATE TABLE supervision_journalrecord_default PARTITION OF supervision_journalrecord DEFAULT;
