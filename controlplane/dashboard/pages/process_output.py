"""What a child writes, as it comes, asked by the page each second: `{"lines": [{at, stream, text}], "next": cursor}`."""

import json
from typing import Any

from django.http import HttpResponse, JsonResponse

from controlplane.access.policy import Permission, tree_of
from controlplane.api.asking import NodeRefusedError, NodeSilentError, ask_node
from controlplane.dashboard.framework import Page, PageRequest
from controlplane.dashboard.pages.process import LINES, STREAMS, WORDS
from controlplane.problems import problem_response

ASK_S = 3.0
"""The courier waits half a second less for something new; the page asks again at once."""
MAX_CURSOR = 4096


def select(request: PageRequest) -> HttpResponse:
    key = request.params["key"]
    request.require(Permission.VIEW, tree_of(key))
    node = request.text("node") or next(
        (one for one, one_key in list(request.reading.hub.fleet.members) if one_key == key), ""
    )
    if not node:
        return problem_response(request.http, "not-found", f"No node has {key}.")
    try:
        cursor = _cursor(request.text("after"))
    except ValueError:
        return problem_response(request.http, "bad-request", "The cursor is none of ours.")
    args = {"key": key, "stream": STREAMS.get(request.text("stream"))}
    try:
        answer = ask_node(node, "follow", args | {"cursor": cursor}, timeout_s=ASK_S)
        if cursor is None:  # the first time: what there is already
            answer["lines"] = ask_node(node, "logs", args | {"lines": LINES}, timeout_s=ASK_S)["lines"]
    except (NodeSilentError, NodeRefusedError) as error:
        return problem_response(request.http, "unavailable", f"The output cannot be shown: {error}.")
    lines = [
        {"at": line.get("time"), "stream": WORDS.get(line.get("stream"), ""), "text": line.get("text", "")}
        for line in answer.get("lines", [])
    ]
    return JsonResponse({"lines": lines, "next": json.dumps(answer.get("cursor", {}), separators=(",", ":"))})


def _cursor(text: str) -> dict[str, Any] | None:
    """What the last answer named; None for the first question. Raises ValueError."""
    if not text:
        return None
    if len(text) > MAX_CURSOR:
        raise ValueError
    body = json.loads(text)
    if not isinstance(body, dict) or not all(isinstance(offset, int) for offset in body.values()):
        raise ValueError
    return body


PAGE = Page(
    slug="process-output",
    title="Output",
    path="output/<path:key>",
    template="",
    select=select,
)
