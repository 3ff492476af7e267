"""Commands may recycle a child."""

from django.db import migrations, models

VERBS = [
    "start", "stop", "restart", "recycle", "terminate", "hold", "release", "hold_all", "release_all", "start_child",
    "delete_child", "signal", "reload", "adopt_stray", "end_stray",
]  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("supervision", "0019_fuller_samples")]

    operations = [
        migrations.RemoveConstraint(model_name="command", name="command_known_verb"),
        migrations.AlterField(
            model_name="command",
            name="verb",
            field=models.CharField(choices=[(verb, verb.replace("_", " ")) for verb in VERBS], max_length=16),
        ),
        migrations.AddConstraint(
            model_name="command",
            constraint=models.CheckConstraint(condition=models.Q(verb__in=VERBS), name="command_known_verb"),
        ),
    ]
