"""Errors over HTTP: problem details (RFC 9457) for programs, a page for people. One catalogue; `/problems/<slug>`
explains each."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """One kind of error: where it is explained, what it is called, which status it has."""

    slug: str
    status: int
    title: str
    meaning: str


def _catalogue(*types: ProblemType) -> dict[str, ProblemType]:
    return {kind.slug: kind for kind in types}


CATALOGUE = _catalogue(
    ProblemType(
        "bad-request",
        400,
        "The request is malformed",
        "The body or a parameter could not be read. `errors` names each part: a JSON pointer into the body, or "
        "the parameter.",
    ),
    ProblemType(
        "invalid-document",
        400,
        "The document is not valid",
        "`errors` names every problem with its pointer, and its line when YAML or JSON text was sent. Nothing was changed.",
    ),
    ProblemType(
        "login-required",
        401,
        "Log in, or send a token",
        "Send `Authorization: Bearer ovs_…` with a token that is not expired and not revoked, or use a browser session.",
    ),
    ProblemType(
        "forbidden",
        403,
        "Your role does not allow this",
        "You may look, and no more. An admin grants roles for each tree; a token's scopes and tree narrow what "
        "its user may.",
    ),
    ProblemType(
        "cross-site",
        403,
        "The request's origin could not be verified",
        "A browser session needs the CSRF token in the header X-CSRFToken with each request that changes something.",
    ),
    ProblemType(
        "not-found",
        404,
        "There is no such thing",
        "It does not exist, does not exist any more, or you may not see it.",
    ),
    ProblemType(
        "method-not-allowed",
        405,
        "The method is not allowed here",
        "The header Allow lists the methods that are.",
    ),
    ProblemType(
        "not-acceptable",
        406,
        "No representation fits Accept",
        "Ask for application/json, or leave Accept out.",
    ),
    ProblemType(
        "conflict",
        409,
        "Not possible as things are",
        "The request is valid, and the state of the thing does not allow it.",
    ),
    ProblemType(
        "request-in-progress",
        409,
        "The first request with this key is still running",
        "Repeat with the same Idempotency-Key a moment later: the answer will be the first one's.",
    ),
    ProblemType(
        "stale-version",
        412,
        "It was changed in the meantime",
        "`If-Match` names a version that is no longer current. `current` holds the thing as it is now; decide "
        "again from there.",
    ),
    ProblemType(
        "too-large", 413, "The body is too large", "Tree documents may have 4 MiB, everything else 1 MiB."
    ),
    ProblemType(
        "unsupported-media-type",
        415,
        "The body's type is not understood",
        "Send application/json; tree documents may also be application/yaml.",
    ),
    ProblemType(
        "key-reused",
        422,
        "The Idempotency-Key belongs to another request",
        "A key names one request for 24 hours. Use a new key for a new request.",
    ),
    ProblemType(
        "version-required",
        428,
        "If-Match is required",
        "Changes name the version they are based on: send the ETag of your last read in If-Match, or `*` for "
        "whatever is there.",
    ),
    ProblemType(
        "too-many-requests",
        429,
        "Too many requests",
        "Wait as many seconds as Retry-After says. RateLimit-Policy and RateLimit say how much is allowed.",
    ),
    ProblemType(
        "internal",
        500,
        "Something went wrong here",
        "The request id is in the server's log beside the cause.",
    ),
    ProblemType(
        "unavailable",
        503,
        "Something this needs is away",
        "The store, or the node's courier, does not answer at the moment. `missing` names it. Children are "
        "supervised all the same.",
    ),
    ProblemType(
        "timeout",
        504,
        "No answer in time",
        "What was asked may still happen; ask again for the state before repeating it.",
    ),
)


def request_id_of(request: HttpRequest) -> str:
    """The id that RequestIdMiddleware gave the request."""
    given = getattr(request, "request_id", None)
    return str(given) if given is not None else str(uuid.uuid4())


def document(
    request: HttpRequest, slug: str, detail: str, *, extra: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The problem document. `extra` adds members such as `errors` or `current`."""
    kind = CATALOGUE[slug]
    request_id = request_id_of(request)
    return {
        "type": reverse("problem", args=[slug]),
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": f"urn:uuid:{as_uuid(request_id)}",
        "trace_id": request_id,
        **(extra or {}),
    }


def as_uuid(request_id: str) -> uuid.UUID:
    """The request id itself where it is a UUID, else one that is always the same for it."""
    try:
        return uuid.UUID(request_id)
    except ValueError:
        return uuid.uuid5(uuid.NAMESPACE_OID, request_id)


def problem_response(
    request: HttpRequest,
    slug: str,
    detail: str,
    *,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The error as programs read it."""
    body = json.dumps(document(request, slug, detail, extra=extra), default=str)
    status = CATALOGUE[slug].status
    return HttpResponse(body, status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))


def error_response(
    request: HttpRequest, slug: str, detail: str, *, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """The error in the form that fits who asks: a page for a browser, a problem document for everybody else."""
    if not wants_page(request):
        return problem_response(request, slug, detail, headers=headers)
    kind = CATALOGUE[slug]
    again = request.get_full_path() if request.method == "GET" and kind.status >= 500 else ""
    context = {
        "problem": kind,
        "detail": detail,
        "request_id": request_id_of(request),
        "again": again,
        "refreshes": "Refresh" in (headers or {}),
    }
    response = render(request, "error.html", context, status=kind.status)
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def wants_page(request: HttpRequest) -> bool:
    """Whether a person looks at the answer."""
    return not request.path_info.startswith("/api/") and "text/html" in request.headers.get("Accept", "")
