"""The Python child of a real service: a framework, a task queue and two drivers are imported before it stamps."""

import runpy
from pathlib import Path

import celery  # noqa: F401
import django
import psycopg  # noqa: F401
import redis  # noqa: F401
from django.conf import settings

settings.configure(USE_TZ=True)
django.setup()
runpy.run_path(str(Path(__file__).with_name("child.py")))
