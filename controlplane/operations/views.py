"""Probes as Django's views. In a web process controlplane.serving.probing answers before them; `?verbose` arrives here."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from controlplane.operations import probes
from controlplane.operations.probes import Probe
from controlplane.operations.readiness import readiness


@never_cache
@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    return _answer(probes.live())


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """All checks. Details are for who may see them; everybody else gets the code and one word."""
    exclude = request.GET.getlist("exclude")
    return _answer(probes.ready(readiness().outcomes(), exclude=exclude, verbose=_wants_details(request)))


@never_cache
@require_safe
def readyz_check(request: HttpRequest, name: str) -> HttpResponse:
    return _answer(probes.one(readiness().outcomes(), name, verbose=_wants_details(request)))


def _wants_details(request: HttpRequest) -> bool:
    return "verbose" in request.GET and _may_see_details(request)


def _may_see_details(request: HttpRequest) -> bool:
    principal = getattr(request, "principal", None)
    return principal is not None and bool(principal.can("view"))


def _answer(probe: Probe) -> HttpResponse:
    return HttpResponse(probe.text, status=probe.status, content_type=probes.TYPE)
