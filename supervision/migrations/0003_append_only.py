"""Triggers that refuse to change what was recorded."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_name("sql") / "append_only.sql"


class Migration(migrations.Migration):
    dependencies = [("supervision", "0002_journal_records")]

    operations = [
        migrations.RunSQL(SQL.read_text(), reverse_sql="DROP FUNCTION supervision_refuse_change() CASCADE"),
    ]
