"""Who opened a socket, and from where: the same answers as for a page."""

import io
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.handlers.asgi import ASGIRequest
from django.db import InterfaceError, OperationalError, close_old_connections
from django.http.request import validate_host

from controlplane.access.middleware import identify
from controlplane.access.policy import Principal

Scope = Mapping[str, Any]


class StoreAwayError(Exception):
    """The store that knows sessions and tokens does not answer."""


def header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def comes_from_here(scope: Scope) -> bool:
    """Whether the page that opened the socket is ours. Browsers always send Origin; a program that sends none has to show
    a token, which no foreign page can make a browser do."""
    origin = header(scope, b"origin")
    if not origin:
        return bool(header(scope, b"authorization"))
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return False
    if origin == _origin(settings.REACHABLE.public_url):
        return True
    host = header(scope, b"host")
    return parts.netloc == host and validate_host(_without_port(host), settings.ALLOWED_HOSTS)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


async def principal_of_scope(scope: Scope) -> Principal | None:
    """Who it is; None for nobody. Raises StoreAwayError."""
    try:
        principal: Principal | None = await sync_to_async(_identify, thread_sensitive=False)(scope)
    except (OperationalError, InterfaceError) as error:
        raise StoreAwayError(str(error)) from error
    return principal


def _identify(scope: Scope) -> Principal | None:
    close_old_connections()
    try:
        request = ASGIRequest({**scope, "type": "http", "method": "GET"}, io.BytesIO())
        store = import_module(settings.SESSION_ENGINE).SessionStore
        request.session = store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        request.user = get_user(request)
        principal, _by_session = identify(request)
        return principal
    finally:
        close_old_connections()
