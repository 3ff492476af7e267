-- Error events, one partition a day of receipt; what comes when no partition was made ahead goes into the default.
CREATE SEQUENCE supervision_errorevent_id_seq AS bigint;

CREATE TABLE supervision_errorevent (
    id bigint NOT NULL DEFAULT nextval('supervision_errorevent_id_seq'),
    event_id varchar(32) NOT NULL,
    project_id bigint NOT NULL,
    issue_id bigint NOT NULL,
    at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    level varchar(16) NOT NULL,
    environment varchar(64) NOT NULL DEFAULT '',
    release varchar(200) NOT NULL DEFAULT '',
    transaction varchar(200) NOT NULL DEFAULT '',
    "user" varchar(128) NOT NULL DEFAULT '',
    child varchar(2300) NOT NULL DEFAULT '',
    incarnation bigint,
    data bytea NOT NULL,
    PRIMARY KEY (id, received_at)
) PARTITION BY RANGE (received_at);

ALTER SEQUENCE supervision_errorevent_id_seq OWNED BY supervision_errorevent.id;

CREATE INDEX errorevent_issue ON supervision_errorevent (issue_id, id DESC);
CREATE INDEX errorevent_event ON supervision_errorevent (project_id, event_id);
CREATE INDEX errorevent_child ON supervision_errorevent (child varchar_pattern_ops, id DESC) WHERE child <> '';

CREATE TABLE supervision_errorevent_default PARTITION OF supervision_errorevent DEFAULT;
