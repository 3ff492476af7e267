"""`GET /api/v1/live/snapshot`: topics as columns, for who may see them."""

import gzip
import hashlib
from typing import Any

import orjson
from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from controlplane.access.policy import Principal
from controlplane.access.principals import principal_of
from controlplane.dashboard.live.frames import Subscription, SubscriptionError, subscription
from controlplane.dashboard.live.hub import TooManyTablesError
from controlplane.dashboard.live.messages import MAX_TOPICS
from controlplane.dashboard.live.service import LIVE
from controlplane.dashboard.live.table import Table
from controlplane.dashboard.live.topics import refusal, topic_of, visible_for
from controlplane.problems import problem_response

SMALL = 1024
LEVEL = 4
"""Of gzip: past this a snapshot takes longer to pack than it saves on any network."""

Asked = tuple[Table, Subscription]


@require_safe
async def live_snapshot(request: HttpRequest) -> HttpResponse:
    """JSON as docs/live.md has it; 304 where `If-None-Match` names what would be sent."""
    principal = principal_of(request)
    if principal is None:  # PrincipalMiddleware lets nobody past; a second door costs nothing
        return problem_response(request, "login-required", "Log in, or send a valid token.")
    names = [name for name in request.GET.get("topics", "").split(",") if name]
    if not names or len(names) > MAX_TOPICS:
        return _bad(request, "topics", f"topics is a list of 1 to {MAX_TOPICS} topics, separated by commas")
    await LIVE.loaded()
    asked: list[Asked] = []
    refused: dict[str, str] = {}
    for name in dict.fromkeys(names):
        why = refusal(name, principal)
        if why:
            refused[name] = why
            continue
        try:
            asked.append(_asked(request, name, principal))
        except TooManyTablesError as error:
            refused[name] = str(error)
        except SubscriptionError as error:
            place = "" if error.at is None else f" (position {error.at})"
            return _bad(request, f"{name}.{error.part}", f"{error}{place}")
    return await _answer(request, asked, refused)


def _asked(request: HttpRequest, name: str, principal: Principal) -> Asked:
    topic = topic_of(name)
    columns = topic.columns if topic else ()
    cols = request.GET.get(f"{name}.cols")
    visible = visible_for(name, principal)
    wanted = subscription(
        name,
        columns,
        tuple(cols.split(",")) if cols else None,
        request.GET.get(f"{name}.filter", ""),
        visible,
    )
    return LIVE.hub.table(name, visible), wanted


async def _answer(request: HttpRequest, asked: list[Asked], refused: dict[str, str]) -> HttpResponse:
    hub = LIVE.hub
    parts = [(table.topic, hub.shared_snap_bytes(table, wanted)) for table, wanted in asked]
    tag = hashlib.sha256(b"\0".join(body for _name, body in parts)).hexdigest()[:24]
    etag = f'"{tag}"'
    if etag in [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]:
        return HttpResponse(status=304, headers={"ETag": etag})
    head: dict[str, Any] = {"epoch": hub.epoch, "at": round(hub.clock.wall(), 3), "ages": hub.ages_body()}
    if refused:
        head["refused"] = refused
    topics = b",".join(orjson.dumps(name) + b":" + body for name, body in parts)
    body = orjson.dumps(head)[:-1] + b',"topics":{' + topics + b"}}"
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if len(body) > SMALL and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await sync_to_async(gzip.compress, thread_sensitive=False)(body, LEVEL)
        headers["Content-Encoding"] = "gzip"
    response = HttpResponse(body, content_type="application/json", headers=headers)
    patch_vary_headers(response, ["Accept-Encoding", "Cookie", "Authorization"])
    return response


def _bad(request: HttpRequest, pointer: str, detail: str) -> HttpResponse:
    errors = {"errors": [{"pointer": pointer, "detail": detail}]}
    return problem_response(request, "bad-request", detail, extra=errors)
