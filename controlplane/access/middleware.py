"""What every request passes: an id, secure cookies, who it is, and the door."""

import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.csp import ADMIN
from controlplane.access.policy import Principal
from controlplane.access.principals import principal_of_token, principal_of_user
from controlplane.access.public import PUBLIC_VIEWS
from controlplane.problems import error_response, wants_page

GetResponse = Callable[[HttpRequest], HttpResponse]

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    """Gives each request an id, its own X-Request-ID where that is harmless, and says it in the answer."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        request.request_id = given if REQUEST_ID.fullmatch(given) else str(uuid.uuid4())  # type: ignore[attr-defined]  # ours
        response = self.get_response(request)
        response["X-Request-ID"] = request.request_id  # type: ignore[attr-defined]  # ours
        return response


class SecureCookiesMiddleware:
    """Cookies that were set over TLS never travel without it. By request, because one server may have both."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response


class PrincipalMiddleware:
    """Sets `request.principal` (None for nobody), and lets nobody past who is not logged in, except to PUBLIC_VIEWS.

    A bearer token decides alone: with one, a session's cookie is not looked at. `request.by_session` says which it was:
    only a browser's session needs the CSRF check.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.principal, request.by_session = None, False  # type: ignore[attr-defined]  # ours
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        principal, by_session = identify(request)
        request.principal, request.by_session = principal, by_session  # type: ignore[attr-defined]  # ours
        match = request.resolver_match
        if principal is not None or (match is not None and match.view_name in PUBLIC_VIEWS):
            return None
        return refuse(request)


def identify(request: HttpRequest) -> tuple[Principal | None, bool]:
    """Who asks, and whether a session says so."""
    header = request.headers.get("Authorization", "")
    if header:
        scheme, _space, text = header.partition(" ")
        if scheme.lower() == "bearer":
            return principal_of_token(text.strip(), now=timezone.now()), False
    if settings.SESSION_COOKIE_NAME not in request.COOKIES:
        return None, False  # no store is asked for somebody who shows nothing
    return principal_of_user(request.user), True


def refuse(request: HttpRequest) -> HttpResponse:
    """401, or the login page for a person who looks at pages."""
    if wants_page(request) and request.method in ("GET", "HEAD"):
        return HttpResponseRedirect(f"{reverse('login')}?{urlencode({'next': request.get_full_path()})}")
    headers = {"WWW-Authenticate": 'Bearer realm="overstory"'}
    if request.headers.get("Authorization"):
        headers["WWW-Authenticate"] += ', error="invalid_token"'
    return error_response(request, "login-required", "Log in, or send a valid token.", headers=headers)


class PolicyMiddleware:
    """Gives Django's admin its own content security policy, and keeps what only a person may see out of every cache."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith("/admin/"):
            response._csp_config = ADMIN["DIRECTIVES"]  # type: ignore[attr-defined]  # how django-csp is told
        if getattr(request, "principal", None) is not None and "Cache-Control" not in response:
            response["Cache-Control"] = "private, no-cache"
        return response
