"""Rollouts that try a revision on one child: how many places, for how long, and what is watched."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("supervision", "0026_health_checks"),
    ]

    operations = [
        migrations.AddField(
            model_name="rollout",
            name="observe_s",
            field=models.FloatField(
                db_default=0.0, default=0.0, help_text="How long the watched child has to stay ready."
            ),
        ),
        migrations.AddField(
            model_name="rollout",
            name="places",
            field=models.PositiveIntegerField(
                help_text="So many places take the revision; all where it is null.", null=True
            ),
        ),
        migrations.AddField(
            model_name="rollout",
            name="watch",
            field=models.JSONField(
                db_default={},
                default=dict,
                help_text="Of a trial: `key` of the child, `after` and `may_end`.",
            ),
        ),
    ]
