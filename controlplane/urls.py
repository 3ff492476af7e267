"""What Overstory serves. Everything that comes here needs a login unless access/public.py lists it.

The REST interface and the admin, a third of what a web process imports, come in with the first request that is theirs or the
first address that is asked for by its name: `serving/warming.py` does that once the process serves, and not before.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLResolver, path
from django.urls.resolvers import RoutePattern
from django.views.decorators.csrf import csrf_exempt

from controlplane import errors
from controlplane.access import views as access
from controlplane.access.services import LINK_PATH
from controlplane.assets.preferences import preferences
from controlplane.dashboard import framework
from controlplane.dashboard.live.snapshot import live_snapshot
from controlplane.operations import views as operations
from controlplane.xmlrpc import views as xmlrpc


def later(route: str, module: str, namespace: str) -> URLResolver:
    """Django's `include`, which would import `module` at once."""
    return URLResolver(
        RoutePattern(route, is_endpoint=False), module, app_name=namespace, namespace=namespace
    )


@csrf_exempt  # as the REST interface's own views are: they ask for the token of a session themselves
def api_schema(request: HttpRequest) -> HttpResponseBase:
    """A view of the REST interface that is not below its root."""
    from controlplane.api.openapi import ApiSchema

    return ApiSchema.as_view()(request)


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
    path(f"{LINK_PATH}<str:text>", access.login_link, name="login-link"),
    path("logout", access.logout, name="logout"),
    path("api/v1/live/snapshot", live_snapshot, name="live-snapshot"),
    later("api/v1/", "controlplane.api.urls", "api"),
    later("admin/", "controlplane.admin.urls", "admin"),
    path("preferences", preferences, name="preferences"),
    path("api/schema", api_schema, name="api-schema"),
    path("problems/", errors.problems, name="problems"),
    path("problems/<slug:slug>", errors.problem, name="problem"),
    *framework.urlpatterns(),
]

handler400 = errors.bad_request
handler403 = errors.forbidden
handler404 = errors.not_found
handler500 = errors.server_error
