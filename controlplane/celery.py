"""The platform's own Celery application: periodic work and platform jobs. No task yet.

Never hosts agents, and its remote control and events are never used as truth.
"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

app = Celery("overstory")
app.config_from_object("django.conf:settings", namespace="CELERY")
