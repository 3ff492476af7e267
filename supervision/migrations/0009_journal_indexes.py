"""Indexes for what pages ask of the journal; made before there are installations whose tables would be locked for long."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_name("sql") / "journal_indexes.sql"
BACK = """
DROP INDEX journalrecord_key;
DROP INDEX journalrecord_node;
DROP INDEX journalrecord_node_itself;
CREATE INDEX journalrecord_key ON supervision_journalrecord (key, id DESC) WHERE key <> '';
"""


class Migration(migrations.Migration):
    dependencies = [("supervision", "0008_stream_bases")]

    operations = [migrations.RunSQL(SQL.read_text(), reverse_sql=BACK)]
