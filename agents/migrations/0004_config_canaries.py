"""Revisions of agent configs that one agent tries first."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0003_checkpoints"),
        ("supervision", "0027_rollout_trials"),
    ]

    operations = [
        migrations.CreateModel(
            name="ConfigCanary",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("tree", models.CharField(max_length=64)),
                ("key", models.CharField(max_length=2300)),
                ("node", models.CharField(help_text="Its name.", max_length=200)),
                ("observe_s", models.FloatField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "running"),
                            ("done", "done"),
                            ("failed", "failed"),
                            ("ended", "ended"),
                        ],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("reason", models.TextField(blank=True, default="")),
                ("started_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                (
                    "config",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="canaries",
                        to="agents.agentconfig",
                    ),
                ),
                (
                    "revision",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="agents.agentconfigrevision",
                    ),
                ),
                (
                    "rollout",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="supervision.rollout",
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [models.Index(fields=["tree"], name="config_canary_tree")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "running")),
                        fields=("config",),
                        name="config_canary_one_under_way",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["running", "done", "failed", "ended"])),
                        name="config_canary_known_state",
                    ),
                ],
            },
        ),
    ]
