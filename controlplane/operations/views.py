"""Probes as Django's views. In a web process controlplane.serving.probing answers before them; `?verbose` arrives here."""

import ipaddress

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from controlplane.access.middleware import refuse
from controlplane.operations import probes
from controlplane.operations.metrics import registry
from controlplane.operations.probes import Probe
from controlplane.operations.readiness import readiness
from controlplane.problems import error_response


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


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For whoever may see every tree, and for the networks that the host's owner lists, without a token."""
    if not _may_see_details(request) and not _comes_from_a_listed_network(request):
        return refuse(request) if getattr(request, "principal", None) is None else forbid(request)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry(readiness())), content_type=content_type)


def forbid(request: HttpRequest) -> HttpResponse:
    return error_response(request, "forbidden", "This needs the permission view on every tree.")


def _comes_from_a_listed_network(request: HttpRequest) -> bool:
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR") or "")
    except ValueError:
        return False
    return any(address.version == each.version and address in each for each in settings.METRICS_NETWORKS)


def _wants_details(request: HttpRequest) -> bool:
    return "verbose" in request.GET and _may_see_details(request)


def _may_see_details(request: HttpRequest) -> bool:
    principal = getattr(request, "principal", None)
    return principal is not None and bool(principal.can("view"))


def _answer(probe: Probe) -> HttpResponse:
    return HttpResponse(probe.text, status=probe.status, content_type=probes.TYPE)
