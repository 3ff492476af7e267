from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("supervision", "0020_recycle_verb"),
    ]

    operations = [
        migrations.CreateModel(
            name="ErrorAddress",
            fields=[
                ("host", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("local_url", models.CharField(max_length=500)),
                ("public_url", models.CharField(blank=True, default="", max_length=500)),
                ("said_at", models.DateTimeField()),
            ],
            options={"ordering": ["-said_at"]},
        ),
    ]
