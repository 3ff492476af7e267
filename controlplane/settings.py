"""Django's settings, all from the environment and the data directory; docs/deployment.md lists the variables.

There is no default password and no default secret: the secret key is made on first use and stays in the data directory.
"""

import os
from pathlib import Path

from django.utils.functional import SimpleLazyObject

from controlplane.access import csp
from controlplane.admin import look
from controlplane.assets.packages import package_directory
from controlplane.embedded.connections import Connections
from controlplane.given import given
from controlplane.operations.mailserver import mail_settings
from controlplane.reachable import Reachable
from controlplane.secret_key import secret_key
from supervision.alerts.addresses import Network, parse_networks
from supervision.runtime.paths import Paths

ROOT = Path(__file__).resolve().parents[1]
PATHS = Paths.from_environment()
CONNECTIONS = Connections.from_environment(PATHS, os.environ)

SECRET_KEY = SimpleLazyObject(lambda: secret_key(PATHS.data_dir, os.environ))
"""Made when something is signed, not when a command merely loads the settings."""
DEBUG = False
REACHABLE = Reachable.from_environment(os.environ)
ALLOWED_HOSTS = list(REACHABLE.hosts)

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.staticfiles",
    "controlplane.apps.ControlPlaneConfig",
    "agents.apps.AgentsConfig",
    "supervision.apps.SupervisionConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "csp",
    "rest_framework",
    "drf_spectacular",
]
MIDDLEWARE = [
    "controlplane.access.middleware.RequestIdMiddleware",
    "controlplane.access.middleware.SecureCookiesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "controlplane.assets.middleware.static_files",
    "csp.middleware.CSPMiddleware",
    "controlplane.access.middleware.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "controlplane.access.middleware.PrincipalMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
"""PrincipalMiddleware stands before the CSRF check, so that nobody at all is told to log in, not about a token."""
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]
ROOT_URLCONF = "controlplane.urls"
ASGI_APPLICATION = "controlplane.asgi.application"
APPEND_SLASH = False

# -- security: who may come in, and how -------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["controlplane.access.backends.PolicyBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
FORCE_SCRIPT_NAME = REACHABLE.prefix or None
SESSION_COOKIE_NAME = "overstory_session"
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = REACHABLE.prefix or "/"
SESSION_COOKIE_AGE = 7 * 24 * 3600
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = REACHABLE.only_tls
"""Where TLS is optional SecureCookiesMiddleware decides by request."""
CSRF_COOKIE_NAME = "overstory_csrf"
CSRF_FAILURE_VIEW = "controlplane.errors.csrf_failure"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if REACHABLE.only_tls else 0
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = csp.PAGES
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
"""A tree document of 4 MiB fits; endpoints that take less say so themselves."""
API_LIMITS = {"read": 6000, "write": 3000}
"""Requests a minute of one user or token."""
REST_FRAMEWORK = {
    "EXCEPTION_HANDLER": "controlplane.api.exceptions.handle",
    "UNAUTHENTICATED_USER": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Overstory",
    "DESCRIPTION": "The control plane's API; docs/api.md tells how it is used.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "DISABLE_ERRORS_AND_WARNINGS": False,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

DATABASES = {"default": CONNECTIONS.django_database()}

LIVE_REDIS_URL = CONNECTIONS.redis_url
"""Where hints and samples are published."""
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [LIVE_REDIS_URL], "prefix": "overstory:ticks", "expiry": 10, "capacity": 100},
    }
}
"""Ticks between server processes; rows never travel here."""

# -- telling somebody (docs/alerts.md) --------------------------------------------------------------------------------

WEBHOOK_NETWORKS: tuple[Network, ...] = parse_networks(os.environ.get("OVERSTORY_WEBHOOK_NETWORKS", ""))
"""What webhooks may reach beside the public internet."""
METRICS_NETWORKS: tuple[Network, ...] = parse_networks(os.environ.get("OVERSTORY_METRICS_NETWORKS", ""))
"""Who may read /metrics without a token."""
HEARTBEAT_URL = given("OVERSTORY_HEARTBEAT_URL", os.environ)
OTLP_URL = given("OVERSTORY_OTLP_URL", os.environ)
OTLP_HEADERS = given("OVERSTORY_OTLP_HEADERS", os.environ)
"""An OpenTelemetry collector that is sent metrics, and what it wants to be told with them."""
locals().update(mail_settings(given("OVERSTORY_EMAIL_URL", os.environ)))

CELERY_BROKER_URL = CONNECTIONS.celery_broker_url()

STATIC_URL = f"{REACHABLE.prefix}/static/"
"""Whole: a relative one would be completed once, with the prefix of whatever asked first, which may be none."""
STATIC_ROOT = PATHS.data_dir / "static"
STATICFILES_DIRS = [ROOT / "static", ("fonts", package_directory("unfold") / "static/unfold/fonts/inter")]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "controlplane.assets.storage.AssetStorage"},
}
WHITENOISE_USE_FINDERS = not (STATIC_ROOT / "staticfiles.json").exists()
WHITENOISE_ALLOW_ALL_ORIGINS = False

UNFOLD = look.UNFOLD

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
