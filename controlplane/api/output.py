"""What children wrote, asked from their nodes, and why they are as they are, read from the journal."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, require, tree_of
from controlplane.api import observedshapes, schema
from controlplane.api.asking import NodeRefusedError, NodeSilentError, ask_node
from controlplane.api.children import at_or_below, only_visible
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.explaining import explain_key
from controlplane.api.pages import choice, integer, moment, optional_integer
from controlplane.api.severity import SEVERITIES, is_at_least
from controlplane.filters.fields import PROCS
from controlplane.filters.grammar import FilterError, parse
from controlplane.filters.querying import condition
from supervision.journal.models import ObservedChild
from supervision.runtime.clock import SystemClock
from supervision.trees.documents import SYSTEM_TREE

TAG = ["children"]
LINES = 100
MAX_LINES = 2000
MAX_NODES = 20
MOST_CHILDREN = 200
"""Of a filter: as many as the page Logs follows."""
READ_FOR_SOME = 5000
"""Lines of a node among which those are looked for that are bad or new enough."""
MAX_WAIT_S = 20
LEAST_ANSWER_S = 1.0
LATE_S = 2.0
"""What a node that was asked to wait may take beyond that."""
ANSWER_S = 5.0
"""For all nodes together: what is left of it is asked of the next one."""

Questions = Mapping[str, tuple[str, dict[str, Any]]]
"""What is asked of each node: an operation and its arguments."""


class Logs(Endpoint):
    """Of one key, or of the many children that a filter means: then of what may be seen."""

    needs = {"GET": None}
    parameters = frozenset({"key", "filter", "node", "lines", "stream", "since", "severity", "incarnation"})

    @schema.says(
        "What children wrote",
        operation="logs",
        description=(
            "The last lines by time, asked from each node: of `key` and everything below it, or, without one, of the "
            f"{MOST_CHILDREN} first children that `filter` means (the grammar of the list of processes; what is measured, "
            "such as `cpu`, cannot be asked here), by default all but the platform's own tree. "
            "`missing` says which node could not be asked and why; 503 when none could."
        ),
        answers={200: observedshapes.LogsShape},
        parameters=[
            schema.query("key"),
            schema.query("filter", "Such as `tree:shop state:failed,backoff`; not with `key`."),
            schema.query("node", "Id of a node; default: each that has it."),
            schema.query("lines", "The last so many; 2,000 at most.", kind=int),
            schema.query("stream", enum=["out", "err"]),
            schema.query("since", "From this moment on.", kind=schema.MOMENT),
            schema.query(
                "severity",
                f"Lines as bad as this or worse, by their words, among the last {READ_FOR_SOME:,} of each node.",
                enum=list(SEVERITIES),
            ),
            schema.query("incarnation", "Only this life's; with `key`.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        most = integer(request, "lines", default=LINES, least=1, most=MAX_LINES)
        severity = choice(request, "severity", SEVERITIES)
        since = since.timestamp() if (since := moment(request, "since")) is not None else None
        questions: Questions
        facts: dict[str, int]
        if "key" in request.query_params:
            questions, facts = self._of_key(request, most if severity is None else MAX_LINES, since), {}
        else:
            is_some = severity is not None or since is not None
            questions, facts = self._of_many(request, READ_FOR_SOME if is_some else most)
        items, missing = _asked(questions)
        kept = [
            item
            for item in items
            if (since is None or item["time"] >= since) and is_at_least(item["text"], severity)
        ]
        kept.sort(key=lambda line: line["time"])
        return Response({"items": kept[-most:], "missing": missing, **facts})

    def _of_key(self, request: Request, lines: int, since: float | None) -> Questions:
        key = key_of(request)
        require(self.principal, Permission.VIEW, tree_of(key))
        if "filter" in request.query_params:
            raise Problem.invalid("filter", "Either a key or a filter.")
        args = {
            "key": key,
            "lines": lines,
            "stream": choice(request, "stream", ("out", "err")),
            "since": since,
            "incarnation": optional_integer(request, "incarnation", least=1),
        }
        return dict.fromkeys(nodes_of(key, request.query_params.get("node")), ("logs", args))

    def _of_many(self, request: Request, lines: int) -> tuple[Questions, dict[str, int]]:
        """Questions, and how many children are meant by the filter (`total`) and asked about (`tailed`)."""
        if "incarnation" in request.query_params:
            raise Problem.invalid("incarnation", "A life belongs to a key.")
        rows = only_visible(self, ObservedChild.objects.filter(removed=False, is_supervisor=False))
        node = request.query_params.get("node")
        if node is not None:
            rows = rows.filter(node_id=node)
        text = request.query_params.get("filter", "")
        try:
            rows = rows.filter(condition(parse(text, PROCS), PROCS, now=timezone.now()))
        except FilterError as error:
            raise Problem.invalid("filter", f"{error.message}, at character {error.at + 1}.") from None
        if not text.strip():
            rows = rows.exclude(tree=SYSTEM_TREE)
        keys: dict[str, list[str]] = {}
        for key, on in rows.order_by("key", "node_id").values_list("key", "node_id")[:MOST_CHILDREN]:
            if on in keys or len(keys) < MAX_NODES:
                keys.setdefault(on, []).append(key)
        stream = choice(request, "stream", ("out", "err"))
        questions: Questions = {
            on: ("last_of_many", {"keys": some, "lines": lines, "stream": stream})
            for on, some in keys.items()
        }
        return questions, {"tailed": sum(map(len, keys.values())), "total": rows.count()}


def _asked(questions: Questions) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Lines of all nodes, and who is missing. Raises Problem when nobody answers."""
    items: list[dict[str, Any]] = []
    missing: list[dict[str, str]] = []
    clock = SystemClock()
    until = clock.boot() + ANSWER_S
    for node, (op, args) in questions.items():
        left_s = max(LEAST_ANSWER_S, until - clock.boot())
        try:
            items += [{**line, "node": node} for line in ask_node(node, op, args, timeout_s=left_s)["lines"]]
        except NodeSilentError as error:
            missing.append({"node": node, "missing": error.missing, "detail": str(error)})
        except NodeRefusedError as error:
            missing.append({"node": node, "missing": "node", "detail": str(error)})
    if missing and len(missing) == len(questions):
        first = missing[0]
        extra = {"missing": first["missing"]}
        raise Problem("unavailable", first["detail"], extra=extra, headers={"Retry-After": "5"})
    return items, missing


class LogsFollow(Endpoint):
    """One child at a time, on one node: a cursor is about its files."""

    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"key", "node", "stream", "cursor", "wait"})

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        return tree_of(key_of(request))

    @schema.says(
        "What a child writes from now on",
        operation="follow_logs",
        description=(
            "Without `cursor`: where that begins. With the `cursor` of the answer before: what was written since, "
            "as soon as "
            "there is something, or nothing after `wait` seconds."
        ),
        answers={200: observedshapes.FollowedShape},
        parameters=[
            schema.query("key", required=True),
            schema.query("node", "Id of a node; default: the one that has it."),
            schema.query("stream", enum=["out", "err"]),
            schema.query("cursor", "Opaque."),
            schema.query("wait", "Seconds, 20 at most.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        key = key_of(request)
        wait_s = integer(request, "wait", default=0, least=0, most=MAX_WAIT_S)
        node = nodes_of(key, request.query_params.get("node"))[0]
        args = {
            "key": key,
            "stream": choice(request, "stream", ("out", "err")),
            "cursor": _read_cursor(request),
        }
        try:
            answer = ask_node(node, "follow", args, timeout_s=wait_s + LATE_S)
        except NodeSilentError as error:
            extra = {"missing": error.missing}
            raise Problem("unavailable", str(error), extra=extra, headers={"Retry-After": "2"}) from None
        except NodeRefusedError as error:
            raise Problem.invalid("cursor", str(error)) from None
        items = [{**line, "node": node} for line in answer["lines"]]
        return Response({"items": items, "cursor": _write_cursor(answer["cursor"]), "node": node})


def _write_cursor(cursor: dict[str, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(cursor, separators=(",", ":")).encode()).decode().rstrip("=")


def _read_cursor(request: Request) -> dict[str, int] | None:
    text = request.query_params.get("cursor")
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        cursor = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
        pairs = {str(place): int(offset) for place, offset in cursor.items()}
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise Problem.invalid("cursor", "This is no cursor of this endpoint; begin without one.") from None
    if any(not 0 <= offset < 2**63 for offset in pairs.values()) or len(pairs) > 10_000:
        raise Problem.invalid("cursor", "This is no cursor of this endpoint; begin without one.")
    return pairs


class Explain(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"key", "node"})

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        return tree_of(key_of(request))

    @schema.says(
        "Why a child or supervisor is as it is",
        operation="explain",
        description="What ended it, what was decided, what comes next, and what can be done.",
        answers={200: observedshapes.ExplanationShape},
        parameters=[schema.query("key", required=True), schema.query("node", "Id of a node.")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        told = explain_key(key_of(request), node=request.query_params.get("node"))
        if told is None:
            raise Problem("not-found", f"There is no {key_of(request)}.")
        return Response(told.to_json())


def key_of(request: Request) -> str:
    key = request.query_params.get("key", "").rstrip("/")
    if not key:
        raise Problem.invalid("key", "A key is needed, such as shop/web/api@2.")
    return key


def nodes_of(key: str, node: str | None) -> list[str]:
    rows = ObservedChild.objects.filter(at_or_below(key))
    if node is not None:
        rows = rows.filter(node_id=node)
    nodes = list(rows.order_by("node_id").values_list("node_id", flat=True).distinct()[:MAX_NODES])
    if not nodes:
        raise Problem("not-found", f"There is no {key}.")
    return nodes
