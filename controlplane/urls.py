"""What Overstory serves. Everything that comes here needs a login unless access/public.py lists it."""

from django.urls import include, path

from controlplane import errors
from controlplane.access import views as access
from controlplane.admin.index import site
from controlplane.api.openapi import ApiSchema
from controlplane.assets.preferences import preferences
from controlplane.dashboard import framework
from controlplane.dashboard.live.snapshot import live_snapshot
from controlplane.operations import views as operations
from controlplane.xmlrpc import views as xmlrpc

urlpatterns = [
    path("livez", operations.livez, name="livez"),
    path("readyz", operations.readyz, name="readyz"),
    path("readyz/<str:name>", operations.readyz_check, name="readyz-check"),
    path("healthz", operations.readyz, name="healthz"),
    path("metrics", operations.metrics, name="metrics"),
    path("RPC2", xmlrpc.rpc, name="xmlrpc"),
    path("logtail/<path:name>/<str:channel>", xmlrpc.logtail, name="xmlrpc-logtail"),
    path("mainlogtail", xmlrpc.mainlogtail, name="xmlrpc-mainlogtail"),
    path("login", access.login, name="login"),
    path("login/link/<str:text>", access.login_link, name="login-link"),
    path("logout", access.logout, name="logout"),
    path("api/v1/live/snapshot", live_snapshot, name="live-snapshot"),
    path("api/v1/", include("controlplane.api.urls")),
    path("admin/", site.urls),
    path("preferences", preferences, name="preferences"),
    path("api/schema", ApiSchema.as_view(), name="api-schema"),
    path("problems/", errors.problems, name="problems"),
    path("problems/<slug:slug>", errors.problem, name="problem"),
    *framework.urlpatterns(),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
