"""The partitioned table of error events, which Django's schema editor cannot make."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).with_name("sql") / "error_events.sql"


class Migration(migrations.Migration):
    dependencies = [("supervision", "0016_errors")]

    operations = [
        migrations.RunSQL(SQL.read_text(), reverse_sql="DROP TABLE supervision_errorevent"),
    ]
