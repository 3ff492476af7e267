"""What Django answers by itself (bad request, refused, not found, failed), in our form; and the pages that explain
problems."""

import sys

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from controlplane.problems import CATALOGUE, error_response, wants_page

STORE_AWAY = (OperationalError, InterfaceError)
RETRY_STORE_S = 2


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler400. Says nothing of the exception: its text may repeat what was sent."""
    if isinstance(exception, RequestDataTooBig):
        return error_response(request, "too-large", "The body is larger than this endpoint takes.")
    return error_response(request, "bad-request", "The request could not be read.")


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler403."""
    return error_response(request, "forbidden", "You may not do this.")


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Django's handler404."""
    return error_response(request, "not-found", f"There is nothing at {request.path}.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. A store that is away is no fault in the program: 503, and when to ask again."""
    if isinstance(sys.exc_info()[1], STORE_AWAY):
        return store_away(request)
    return error_response(request, "internal", "The request failed; the cause is in the server's log.")


def store_away(request: HttpRequest) -> HttpResponse:
    """PostgreSQL does not answer. A page that was only looked at asks again by itself."""
    headers = {"Retry-After": str(RETRY_STORE_S)}
    if wants_page(request) and request.method == "GET":
        headers["Refresh"] = str(RETRY_STORE_S)
    return error_response(request, "unavailable", "PostgreSQL does not answer.", headers=headers)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    return error_response(request, "cross-site", reason or "The CSRF token is missing.")


@require_safe
@cache_control(max_age=3600, public=True)
def problem(request: HttpRequest, slug: str) -> HttpResponse:
    """What a problem's `type` points to."""
    kind = CATALOGUE.get(slug)
    if kind is None:
        raise Http404
    if wants_page(request):
        return render(request, "problem.html", {"problem": kind})
    text = f"{kind.title} ({kind.status})\n\n{kind.meaning}\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_safe
@cache_control(max_age=3600, public=True)
def problems(request: HttpRequest) -> HttpResponse:
    """All of them."""
    kinds = sorted(CATALOGUE.values(), key=lambda kind: (kind.status, kind.slug))
    if wants_page(request):
        return render(request, "problems.html", {"problems": kinds})
    lines = (f"{kind.status} {kind.slug}: {kind.title}" for kind in kinds)
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
