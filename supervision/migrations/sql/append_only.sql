-- What was recorded stays as it was: nothing changes a row of the journal, and nothing changes or deletes one of the audit
-- log. Retention drops whole partitions of the journal; of the audit log it deletes whole segments, in a transaction that
-- says so (SET LOCAL overstory.retention = 'on') and that has written the segment's closing hash.
CREATE FUNCTION supervision_refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('overstory.retention', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON supervision_journalrecord
    FOR EACH ROW EXECUTE FUNCTION supervision_refuse_change();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON supervision_auditentry
    FOR EACH ROW EXECUTE FUNCTION supervision_refuse_change();
