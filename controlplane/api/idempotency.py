"""Idempotency-Key: a request that is sent twice is carried out once (draft-ietf-httpapi-idempotency-key-header-07).

Keys belong to the token (or the session's user) that sent them: another token of the same user may see less, and is answered
nothing that was meant for this one.

The claim is a row of its own, committed first. The effect and the stored answer are then one transaction: a server that
is killed in between has done nothing, so that a claim whose owner is gone may be taken over without doing anything twice.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Principal
from controlplane.api.exceptions import Problem
from controlplane.api.models import IdempotencyKey
from controlplane.api.retention import KEPT
from supervision.auditlog import services as auditlog

GONE_AFTER = timedelta(seconds=60)
"""A claim that is older and not answered: longer than any request may take."""
HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
STORED_HEADERS = ("Location", "ETag", "Link", "Retry-After")


CLAIM = """
INSERT INTO controlplane_idempotencykey (principal, route, key, fingerprint, claimed_at, headers, body)
VALUES (%(principal)s, %(route)s, %(key)s, %(fingerprint)s, %(now)s, '{}', 'null')
ON CONFLICT (principal, route, key) DO NOTHING
RETURNING id
"""


def carry_out(request: Request, route: str, act: Callable[[], Response], *, required: bool) -> Response:
    """`act` once for the request's key; without a key (where none is required) just `act`, in a transaction either way.

    What `act` answers is stored, so it must hold no secret.
    """
    key = _key(request, required=required)
    if key is None:
        with auditlog.audited():
            return act()
    row = _claim(request, route, key)
    if row.status is not None:
        return Response(json.loads(row.body), status=row.status, headers={**row.headers, REPLAYED: "true"})
    try:
        with auditlog.audited():
            response = act()
            row.status = response.status_code
            row.headers = {
                name: response.headers[name] for name in STORED_HEADERS if name in response.headers
            }
            row.body = json.dumps(response.data, default=str)
            row.save(update_fields=["status", "headers", "body"])
    except BaseException:
        # Whatever happened, nothing was done: the key is free for another try.
        IdempotencyKey.objects.filter(pk=row.pk, status=None).delete()
        raise
    return response


def _key(request: Request, *, required: bool) -> str | None:
    given = request.headers.get(HEADER)
    if given is None:
        if required:
            raise Problem.invalid(HEADER, f"{HEADER} is required: doing this twice is not the same as once.")
        return None
    text = given[1:-1] if len(given) >= 2 and given[0] == given[-1] == '"' else given
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", text):
        raise Problem.invalid(HEADER, "1 to 255 visible ASCII characters, such as a UUID.")
    return text


def _claim(request: Request, route: str, key: str) -> IdempotencyKey:
    """Our own claim (status None), or the answered one of the first request. Raises 409 and 422."""
    principal: object = request.user
    assert isinstance(principal, Principal)  # noqa: S101  the endpoint let nobody else in
    who = principal.caller
    now = timezone.now()
    print_ = fingerprint(request)
    IdempotencyKey.objects.filter(claimed_at__lt=now - KEPT, principal=who).delete()
    with connection.cursor() as cursor:
        values: dict[str, Any] = {
            "principal": who,
            "route": route,
            "key": key,
            "fingerprint": print_,
            "now": now,
        }
        cursor.execute(CLAIM, values)
        is_ours = cursor.fetchone() is not None
    found = IdempotencyKey.objects.filter(principal=who, route=route, key=key).first()
    if found is None:  # the first one failed, and gave the key back between the two statements
        raise _running()
    if is_ours:
        return found
    if found.fingerprint != print_:
        raise Problem("key-reused", "This key was used for another request.")
    if found.status is not None:
        return found
    if now - found.claimed_at > GONE_AFTER:
        taken = IdempotencyKey.objects.filter(pk=found.pk, claimed_at=found.claimed_at, status=None)
        if taken.update(claimed_at=now):
            found.claimed_at = now
            return found
    raise _running()


def _running() -> Problem:
    return Problem(
        "request-in-progress",
        "The first request with this key is still running.",
        headers={"Retry-After": "1"},
    )


def fingerprint(request: Request) -> str:
    """What makes two requests the same one: method, path, query and body.

    Keyed, for a body may hold a password, which a plain digest in a row would let somebody guess.
    """
    http = request._request
    parts = (http.method or "", http.get_full_path(), http.headers.get("If-Match", ""))
    said = "\0".join(parts).encode("utf-8", "surrogateescape") + b"\0" + http.body
    digest = hmac.new(str(settings.SECRET_KEY).encode(), said, hashlib.sha256)
    return digest.hexdigest()
