"""What an operator wants of a pool of workers, and what a worker uses of the memory."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("supervision", "0022_leak_findings")]

    operations = [
        migrations.AddField(
            model_name="poolscale",
            name="drained_at",
            field=models.DateTimeField(help_text="Since when it is to have no worker.", null=True),
        ),
        migrations.AddField(
            model_name="poolscale",
            name="roll_before",
            field=models.DateTimeField(
                help_text="Workers that began before it are replaced, one after the other.", null=True
            ),
        ),
        migrations.AddField(
            model_name="poolscale",
            name="roll_reason",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="taskworker",
            name="memory_bytes",
            field=models.BigIntegerField(
                help_text="What it and its pool children use, shared pages counted once.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="poolscale",
            name="recycling",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="`now`: the worker that is being replaced; `last`: the one before.",
            ),
        ),
    ]
