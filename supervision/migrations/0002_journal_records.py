"""The partitioned table of journal records, which Django's schema editor cannot make."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_name("sql") / "journal_records.sql"


class Migration(migrations.Migration):
    dependencies = [("supervision", "0001_rooms")]

    operations = [
        migrations.RunSQL(SQL.read_text(), reverse_sql="DROP TABLE supervision_journalrecord"),
    ]
