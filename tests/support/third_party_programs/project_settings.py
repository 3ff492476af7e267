"""Settings of a Django project that sends its mail by django-post_office, through Celery, as its manual says."""

import os
from pathlib import Path

HERE = Path(os.environ["PROJECT_DIR"])
SECRET_KEY = "of a test"
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(HERE / "db.sqlite3"),
        "OPTIONS": {"timeout": 30},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
USE_TZ = True
EMAIL_BACKEND = "post_office.EmailBackend"
POST_OFFICE = {
    "CELERY_ENABLED": True,
    "BACKENDS": {"default": "project_mail.SlowBackend"},
    "BATCH_SIZE": 2,
    "THREADS_PER_PROCESS": 1,
    "LOCK_FILE_NAME": str(HERE / "lock"),
}
CELERY_BROKER_URL = os.environ["BROKER"]
CELERY_TASK_DEFAULT_QUEUE = "mail"
