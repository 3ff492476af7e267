"""Every error of the API as a problem document."""

import logging
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import set_rollback

from agents import exceptions as agents
from controlplane import problems
from controlplane.access import exceptions as access
from supervision.fleet import exceptions as fleet
from supervision.trees import exceptions as trees

log = logging.getLogger("overstory.api")

RETRY_STORE_S = "2"


class Problem(Exception):  # noqa: N818  it is named for what it becomes
    """An answer that is a problem: a slug of the catalogue, words, and what else the document says."""

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail
        self.extra = dict(extra or {})
        if errors is not None:
            self.extra["errors"] = list(errors)
        self.headers = dict(headers or {})

    @classmethod
    def invalid(cls, pointer: str, detail: str) -> "Problem":
        """One part of the request is wrong: a JSON pointer into the body, or a parameter's name."""
        return cls("bad-request", detail, errors=[{"pointer": pointer, "detail": detail}])


def as_response(request: HttpRequest, problem: Problem) -> Response:
    """The problem as DRF answers it."""
    body = problems.document(request, problem.slug, problem.detail, extra=problem.extra)
    return Response(
        body,
        status=problems.CATALOGUE[problem.slug].status,
        headers=problem.headers,
        content_type=problems.CONTENT_TYPE,
    )


def handle(error: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's EXCEPTION_HANDLER: nothing leaves the API in another form, whatever was raised."""
    request: HttpRequest = context["request"]._request
    set_rollback()
    problem = translate(error)
    if problem is None:
        log.error(
            "request %s failed\n%s",
            problems.request_id_of(request),
            "".join(traceback.format_exception(error)),
        )
        problem = Problem("internal", "The request failed; the cause is in the server's log.")
    return as_response(request, problem)


def translate(error: Exception) -> Problem | None:
    """The problem that `error` is; None for a fault of ours."""
    if isinstance(error, Problem):
        return error
    for translator in (_of_access, _of_framework, _of_domain):
        problem = translator(error)
        if problem is not None:
            return problem
    return None


def _of_access(error: Exception) -> Problem | None:
    match error:
        case access.LoginRequiredError():
            return Problem(
                "login-required", str(error), headers={"WWW-Authenticate": 'Bearer realm="overstory"'}
            )
        case access.HiddenError():
            return Problem("not-found", str(error))
        case access.ForbiddenError():
            return Problem("forbidden", str(error))
        case access.InvalidAccessError():
            return Problem.invalid(f"/{error.field}", str(error))
        case access.AccessConflictError():
            return Problem("conflict", str(error))
        case access.TooManyAttemptsError():
            seconds = str(int(error.retry_after.total_seconds()) + 1)
            return Problem("too-many-requests", str(error), headers={"Retry-After": seconds})
    return None


FRAMEWORK: dict[type[drf.APIException], str] = {
    drf.ParseError: "bad-request",
    drf.NotAuthenticated: "login-required",
    drf.AuthenticationFailed: "login-required",
    drf.PermissionDenied: "cross-site",
    drf.NotFound: "not-found",
    drf.NotAcceptable: "not-acceptable",
    drf.UnsupportedMediaType: "unsupported-media-type",
}
"""PermissionDenied: DRF raises it for one thing only here, the CSRF check; what a role allows is asked elsewhere."""


def _of_framework(error: Exception) -> Problem | None:
    match error:
        case drf.ValidationError():
            found = list(_field_errors(error.detail, ""))
            return Problem("bad-request", found[0]["detail"] if found else "invalid", errors=found)
        case drf.MethodNotAllowed():
            return Problem("method-not-allowed", str(error.detail))
        case Http404():
            return Problem("not-found", "There is no such thing.")
        case RequestDataTooBig():
            return Problem("too-large", "The body is larger than this endpoint takes.")
        case SuspiciousOperation():
            return Problem("bad-request", "The request could not be read.")
        case OperationalError() | InterfaceError():
            return Problem(
                "unavailable",
                "PostgreSQL does not answer.",
                extra={"missing": "postgresql"},
                headers={"Retry-After": RETRY_STORE_S},
            )
    if isinstance(error, drf.APIException):
        for kind, slug in FRAMEWORK.items():
            if isinstance(error, kind):
                return Problem(slug, str(error.detail))
    return None


def _of_domain(error: Exception) -> Problem | None:
    match error:
        case trees.InvalidDocumentError() | agents.InvalidConfigError():
            faults = [fault.to_json() for fault in error.faults]
            return Problem("invalid-document", faults[0]["detail"] if faults else str(error), errors=faults)
        case trees.NotFoundError() | fleet.NoSuchNodeError() | agents.UnknownError():
            return Problem("not-found", _sentence(error))
        case agents.TooLargeError():
            found = [{"pointer": error.pointer, "detail": _sentence(error)}]
            return Problem("too-large", _sentence(error), errors=found)
        case agents.UnderWayError() | agents.CannotTryError():
            return Problem("conflict", _sentence(error))
        case agents.InUseError():
            return Problem("conflict", _sentence(error), extra={"users": list(error.users)})
        case trees.StaleVersionError() | agents.ChangedMeanwhileError():
            return Problem("stale-version", _sentence(error), extra={"current": None})
        case trees.IllegalTransitionError() | fleet.FleetError():
            return Problem("conflict", _sentence(error))
    return None


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _field_errors(detail: Any, pointer: str) -> "list[dict[str, str]]":
    """DRF's nested lists and dictionaries as pointers. Any: that is how DRF types them."""
    if isinstance(detail, Mapping):
        found = []
        for name, inner in detail.items():
            at = pointer if name == "non_field_errors" else f"{pointer}/{escape(str(name))}"
            found += _field_errors(inner, at)
        return found
    if isinstance(detail, list | tuple):
        found = []
        for index, inner in enumerate(detail):
            nested = isinstance(inner, Mapping | list | tuple)
            found += _field_errors(inner, f"{pointer}/{index}" if nested else pointer)
        return found
    return [{"pointer": pointer, "detail": str(detail)}]


def escape(name: str) -> str:
    """A member's name inside a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")
