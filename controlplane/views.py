"""Views that belong to the project itself."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe


@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing of the stores: a liveness probe that asks others restarts the wrong one."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")
