"""Who did it, for the audit log: from a request, or from a command on the host itself."""

import os
import socket

from django.http import HttpRequest

from controlplane.access.policy import Principal
from controlplane.access.principals import principal_of
from supervision.auditlog.actor import Actor, ActorKind

MAX_NAME = 200
"""Of an audit entry's actor."""


def actor_of(request: HttpRequest) -> Actor:
    """The actor behind `request`; kind "anonymous" when nobody is logged in."""
    principal = principal_of(request)
    ip = request.META.get("REMOTE_ADDR") or None
    request_id = getattr(request, "request_id", None)
    if principal is None:
        return Actor(kind=ActorKind.ANONYMOUS, id="", name="", ip=ip, request_id=request_id)
    return actor_of_principal(principal, ip=ip, request_id=request_id)


def actor_of_principal(
    principal: Principal, *, ip: str | None = None, request_id: str | None = None
) -> Actor:
    """The same for an edge without a Django request, such as a WebSocket."""
    if principal.token is not None:
        name = f"{principal.name} (token {principal.token.name})"[:MAX_NAME]
        return Actor(
            kind=ActorKind.TOKEN, id=str(principal.token.id), name=name, ip=ip, request_id=request_id
        )
    return Actor(
        kind=ActorKind.USER, id=str(principal.user_id), name=principal.name, ip=ip, request_id=request_id
    )


def local_actor() -> Actor:
    """Whoever runs a command on the host: the operating system's user."""
    return Actor.local(os.getuid(), socket.gethostname())
