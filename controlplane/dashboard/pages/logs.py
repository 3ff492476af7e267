"""Logs: what many children write, together and live; which ones, the filter of Processes says.

The page comes with the last lines. Its script then asks, for each node, what came behind the places that the answer before
named: `POST {"node", "q", "stream", "places"}` -> `{"lines", "places", "tailed", "total", "nodes"}`. Nothing is kept here
between two questions, and each answer is bounded.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, JsonResponse
from django.urls import reverse

from controlplane.api.asking import NodeRefusedError, NodeSilentError, ask_node
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.lists import matching
from controlplane.dashboard.pages.process import STREAMS, WORDS
from controlplane.filters.fields import PROCS
from controlplane.problems import problem_response
from supervision.trees.documents import SYSTEM_TREE

MOST = 200
"""Children whose output is followed at once; the filter chooses which."""
LINES = 200
DOWNLOADED = 5000
JOINED = 20
"""Lines that a child begins with that comes to match the filter."""
ASK_S = 3.0
FIRST_S = 1.5
MAX_NODES = 20
MAX_BODY = 256 * 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """The children that the filter means. keys: of each node, `MOST` of all; error: what is wrong with the filter."""

    keys: dict[str, list[str]]
    hosts: dict[str, str]
    total: int
    error: Any

    @property
    def tailed(self) -> int:
        return sum(map(len, self.keys.values()))


def chosen(request: PageRequest, q: str) -> Chosen:
    """Without a filter everything but the platform's own tree."""
    rows = request.reading.hub.views("procs", request.visible)
    found, error = matching(rows, q, PROCS, now=request.now)
    if not q:
        found = [row for row in found if row["tree"] != SYSTEM_TREE]
    found = sorted(found, key=lambda row: (row["key"], row["node"]))
    keys: dict[str, list[str]] = {}
    hosts: dict[str, str] = {}
    for row in found[:MOST] if error is None else ():
        if row["node"] not in keys and len(keys) >= MAX_NODES:
            continue
        keys.setdefault(row["node"], []).append(row["key"])
        hosts[row["node"]] = row["host"]
    return Chosen(keys, hosts, len(found), error)


def select(request: PageRequest) -> Context | HttpResponse:
    q = request.text("q")
    stream = request.text("stream") if request.text("stream") in STREAMS else ""
    what = chosen(request, q)
    is_download = "download" in request.http.GET
    lines: list[dict[str, Any]] = []
    places: dict[str, Any] = {}
    missing: list[str] = []
    for node, keys in what.keys.items():
        try:
            count = DOWNLOADED if is_download else LINES
            answer = _last(node, keys, stream, count, timeout_s=ASK_S if is_download else FIRST_S)
        except (NodeSilentError, NodeRefusedError) as error:
            missing.append(f"{what.hosts[node]}: {error}")
            continue
        lines += [_line(line, node, what.hosts[node]) for line in answer["lines"]]
        places[node] = answer["places"]
    lines.sort(key=lambda line: line["at"] or 0.0)
    if is_download:
        return _download(lines[-DOWNLOADED:], missing)
    query = {name: value for name, value in (("q", q), ("stream", stream)) if value}
    return {
        "q": q,
        "q_error": what.error,
        "stream": stream,
        "lines": lines[-LINES:],
        "places": places,
        "missing": missing,
        "tailed": what.tailed,
        "total": what.total,
        "nodes": list(what.keys),
        "download_url": f"?{urlencode(query | {'download': '1'})}",
    }


def _last(node: str, keys: list[str], stream: str, lines: int, *, timeout_s: float) -> dict[str, Any]:
    args = {"keys": keys, "lines": lines, "stream": STREAMS[stream]}
    answer: dict[str, Any] = ask_node(node, "last_of_many", args, timeout_s=timeout_s)
    return answer


def _line(line: dict[str, Any], node: str, host: str) -> dict[str, Any]:
    key = line["key"]
    return {
        "at": line.get("time"),
        "key": key,
        "host": host,
        "stream": WORDS.get(str(line.get("stream")), ""),
        "text": line.get("text", ""),
        "url": f"{reverse('process', args=[key])}?{urlencode({'node': node, 'tab': 'logs'})}",
    }


def _download(lines: list[dict[str, Any]], missing: list[str]) -> HttpResponse:
    written = [f"# not asked: {one}" for one in missing]
    for line in lines:
        at = datetime.fromtimestamp(line["at"] or 0.0, UTC).isoformat(timespec="milliseconds")
        written.append(f"{at} {line['host']} {line['key']} {line['stream']}: {line['text']}")
    answer = HttpResponse("\n".join([*written, ""]), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="logs.txt"'
    return answer


# -- what is written from now on --------------------------------------------------------------------------------------------


def follow(request: PageRequest) -> HttpResponse:
    """What came behind the places, on one node; without a node: which nodes there are to ask."""
    try:
        asked = _asked(request.http.body)
    except (ValueError, TypeError, KeyError, AttributeError):
        return problem_response(request.http, "bad-request", "This is no question of the page Logs.")
    what = chosen(request, asked["q"])
    facts = {"nodes": list(what.keys), "tailed": what.tailed, "total": what.total}
    node = asked["node"]
    keys = what.keys.get(node, [])
    if not keys:
        return JsonResponse({"lines": [], "places": {}, **facts})
    known = {key: asked["places"][key] for key in keys if key in asked["places"]}
    stream = asked["stream"]
    try:
        answer: dict[str, Any] = {"lines": [], "places": {}}
        if joined := [key for key in keys if key not in known]:
            lines = JOINED if known else LINES
            answer = _last(node, joined, stream, lines, timeout_s=ASK_S)
        if known:
            args = {"places": known, "stream": STREAMS[stream]}
            after = ask_node(node, "follow_many", args, timeout_s=1.0 if joined else ASK_S)
            answer = {
                "lines": [*answer["lines"], *after["lines"]],
                "places": {**answer["places"], **after["places"]},
            }
    except (NodeSilentError, NodeRefusedError) as error:
        return problem_response(request.http, "unavailable", f"The output cannot be shown: {error}.")
    lines_shown = [_line(line, node, what.hosts[node]) for line in answer["lines"]]
    return JsonResponse({"lines": lines_shown, "places": answer["places"], **facts})


def _asked(body: bytes) -> dict[str, Any]:
    """Raises ValueError, TypeError, KeyError or AttributeError for what is no question."""
    if len(body) > MAX_BODY:
        raise ValueError
    asked = json.loads(body)
    places = {str(key): [int(part) for part in place] for key, place in asked["places"].items()}
    if any(len(place) != 3 or min(place) < 0 or max(place) > 2**62 for place in places.values()):
        raise ValueError
    if asked["stream"] not in STREAMS:
        raise ValueError
    return {"q": str(asked["q"]), "node": str(asked["node"]), "stream": asked["stream"], "places": places}


PAGE = Page(
    slug="logs",
    title="Logs",
    path="logs",
    template="dashboard/logs.html",
    select=select,
    act=follow,
    g_key="v",
    order=36,
    lists=("procs",),
)
