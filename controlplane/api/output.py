"""What children wrote, asked from their nodes, and why they are as they are, read from the journal."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, tree_of
from controlplane.api import observedshapes, schema
from controlplane.api.asking import NodeRefusedError, NodeSilentError, ask_node
from controlplane.api.children import at_or_below
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.explaining import explain_key
from controlplane.api.pages import choice, integer, moment, optional_integer
from supervision.journal.models import ObservedChild

TAG = ["children"]
LINES = 100
MAX_LINES = 2000
MAX_NODES = 20
ANSWER_S = 5.0


class Logs(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"key", "node", "lines", "stream", "since", "incarnation"})

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        return tree_of(_key(request))

    @schema.says(
        "What children wrote",
        operation="logs",
        description=(
            "The last lines of a key and of everything below it, by time, asked from each node that has it. "
            "`missing` says which "
            "node could not be asked and why; 503 when none could."
        ),
        answers={200: observedshapes.LogsShape},
        parameters=[
            schema.query("key", required=True),
            schema.query("node", "Id of a node; default: each that has the key."),
            schema.query("lines", "The last so many; 2,000 at most.", kind=int),
            schema.query("stream", enum=["out", "err"]),
            schema.query("since", "From this moment on.", kind=schema.MOMENT),
            schema.query("incarnation", "Only this life's.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        key = _key(request)
        most = integer(request, "lines", default=LINES, least=1, most=MAX_LINES)
        args = {
            "key": key,
            "lines": most,
            "stream": choice(request, "stream", ("out", "err")),
            "since": since.timestamp() if (since := moment(request, "since")) is not None else None,
            "incarnation": optional_integer(request, "incarnation", least=1),
        }
        items: list[dict[str, Any]] = []
        missing: list[dict[str, str]] = []
        nodes = _nodes(key, request.query_params.get("node"))
        for node in nodes:
            try:
                items += [
                    {**line, "node": node}
                    for line in ask_node(node, "logs", args, timeout_s=ANSWER_S)["lines"]
                ]
            except NodeSilentError as error:
                missing.append({"node": node, "missing": error.missing, "detail": str(error)})
            except NodeRefusedError as error:
                missing.append({"node": node, "missing": "node", "detail": str(error)})
        if missing and len(missing) == len(nodes):
            first = missing[0]
            extra = {"missing": first["missing"]}
            raise Problem("unavailable", first["detail"], extra=extra, headers={"Retry-After": "5"})
        items.sort(key=lambda line: line["time"])
        return Response({"items": items[-most:], "missing": missing})


class Explain(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"key", "node"})

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        return tree_of(_key(request))

    @schema.says(
        "Why a child or supervisor is as it is",
        operation="explain",
        description="What ended it, what was decided, what comes next, and what can be done.",
        answers={200: observedshapes.ExplanationShape},
        parameters=[schema.query("key", required=True), schema.query("node", "Id of a node.")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        told = explain_key(_key(request), node=request.query_params.get("node"))
        if told is None:
            raise Problem("not-found", f"There is no {_key(request)}.")
        return Response(told.to_json())


def _key(request: Request) -> str:
    key = request.query_params.get("key", "").rstrip("/")
    if not key:
        raise Problem.invalid("key", "A key is needed, such as shop/web/api@2.")
    return key


def _nodes(key: str, node: str | None) -> list[str]:
    rows = ObservedChild.objects.filter(at_or_below(key))
    if node is not None:
        rows = rows.filter(node_id=node)
    nodes = list(rows.order_by("node_id").values_list("node_id", flat=True).distinct()[:MAX_NODES])
    if not nodes:
        raise Problem("not-found", f"There is no {key}.")
    return nodes
