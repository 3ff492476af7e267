"""Django's settings, all from the environment and the data directory; docs/deployment.md lists the variables.

There is no default password and no default secret: the secret key is made on first use and stays in the data directory.
"""

import os
from pathlib import Path

from django.utils.functional import SimpleLazyObject

from controlplane.assets.packages import package_directory
from controlplane.embedded.connections import Connections
from controlplane.secret_key import secret_key
from supervision.runtime.paths import Paths

ROOT = Path(__file__).resolve().parents[1]
PATHS = Paths.from_environment()
CONNECTIONS = Connections.from_environment(PATHS, os.environ)

SECRET_KEY = SimpleLazyObject(lambda: secret_key(PATHS.data_dir, os.environ))
"""Made when something is signed, not when a command merely loads the settings."""
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *os.environ.get("OVERSTORY_ALLOWED_HOSTS", "").split()]

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "controlplane.apps.ControlPlaneConfig",
    "agents.apps.AgentsConfig",
    "supervision.apps.SupervisionConfig",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "controlplane.assets.middleware.static_files",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "controlplane.urls"
ASGI_APPLICATION = "controlplane.asgi.application"
APPEND_SLASH = False

DATABASES = {"default": CONNECTIONS.django_database()}

CELERY_BROKER_URL = CONNECTIONS.celery_broker_url()

STATIC_URL = "static/"  # relative: a path prefix of the proxy is put before it
STATIC_ROOT = PATHS.data_dir / "static"
STATICFILES_DIRS = [ROOT / "static", ("fonts", package_directory("unfold") / "static/unfold/fonts/inter")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "controlplane.assets.storage.AssetStorage"},
}
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_ALLOW_ALL_ORIGINS = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
