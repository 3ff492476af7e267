"""Nodes and strays."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission
from controlplane.api import observedshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, boolean, choices
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of_body
from controlplane.filters.keyset import Order
from supervision.fleet import services
from supervision.fleet.models import Node, NodeState
from supervision.journal.models import Stray

TAG = ["nodes"]


def render_node(node: Node) -> dict[str, Any]:
    return dict(observedshapes.NodeShape(node).data)


def node_tag(node: Node) -> str:
    """A renewed lease is no change."""
    facts = {
        "id": node.id,
        "name": node.name,
        "labels": node.labels,
        "state": node.state,
        "epoch": node.epoch,
    }
    return tag_of_body({**facts, "draining": node.draining, "version": node.version})


def find_node(number: str) -> Node:
    node = Node.objects.filter(pk=number).first()
    if node is None:
        raise Problem("not-found", f"There is no node {number}.")
    return node


NODES = Listing(
    {"name": Order(("name", "id")), "joined": Order(("joined_at", "id"), descending=True)}, render_node
)


class Nodes(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"state", "draining", "label", "name"})
    is_list = True

    @schema.says(
        "List nodes",
        operation="list_nodes",
        answers={200: schema.page_of(observedshapes.NodeShape)},
        parameters=[
            *schema.page_parameters(list(NODES.orders)),
            schema.query("state", "Several with commas.", enum=NodeState.values),
            schema.query("draining", kind=bool),
            schema.query("label", "`key=value`; repeatable, all have to be there.", many=True),
            schema.query("name", "Exactly this name."),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows: QuerySet[Node] = Node.objects.all()
        states = choices(request, "state", NodeState.values)
        if states:
            rows = rows.filter(state__in=states)
        draining = boolean(request, "draining")
        if draining is not None:
            rows = rows.filter(draining=draining)
        for label in request.query_params.getlist("label"):
            name, equals, value = label.partition("=")
            if not equals:
                raise Problem.invalid("label", "A label is key=value.")
            rows = rows.filter(labels__contains={name: value})
        wanted = request.query_params.get("name")
        if wanted is not None:
            rows = rows.filter(name=wanted)
        return NODES.page(request, rows)


class NodeDetail(Endpoint):
    needs = {"GET": Permission.VIEW, "DELETE": Permission.ADMIN}

    @schema.says("One node", operation="get_node", answers={200: observedshapes.NodeShape}, tags=TAG)
    def get(self, request: Request, node: str) -> Response:
        found = find_node(node)
        return answer(request, render_node(found), node_tag(found))

    @schema.says(
        "Forget a node that will not come back",
        operation="forget_node",
        description="One whose lease runs is refused: drain it, and stop its guardian first.",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, node: str) -> Response:
        found = find_node(node)
        require_match(request, node_tag(found), lambda: render_node(found))
        services.forget_node(node_id=node, actor=self.actor)
        return Response(status=204)


class _NodeAction(Endpoint):
    needs = {"POST": Permission.ADMIN}
    draining = True

    def post(self, request: Request, node: str) -> Response:
        def act() -> Response:
            reason = read(observedshapes.NodeAction, request)["reason"]
            change = services.drain_node if self.draining else services.undrain_node
            found = change(node_id=find_node(node).id, actor=self.actor, reason=reason)
            return Response(render_node(found), headers={"ETag": node_tag(found)})

        return self.once(request, act)


class NodeDrain(_NodeAction):
    @schema.says(
        "Drain a node",
        operation="drain_node",
        description="It takes no new work, and what runs there is started elsewhere before it is stopped here.",
        body=observedshapes.NodeAction,
        answers={200: observedshapes.NodeShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, node: str) -> Response:
        return super().post(request, node)


class NodeUndrain(_NodeAction):
    draining = False

    @schema.says(
        "Let a drained node take work again",
        operation="undrain_node",
        body=observedshapes.NodeAction,
        answers={200: observedshapes.NodeShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, node: str) -> Response:
        return super().post(request, node)


# -- strays -------------------------------------------------------------------------------------------------------------


def render_stray(stray: Stray) -> dict[str, Any]:
    return dict(observedshapes.StrayShape(stray).data)


STRAYS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_stray)


class Strays(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"node", "state"})
    is_list = True

    @schema.says(
        "List strays",
        operation="list_strays",
        description="Adopting and ending one are commands.",
        answers={200: schema.page_of(observedshapes.StrayShape)},
        parameters=[
            *schema.page_parameters(list(STRAYS.orders)),
            schema.query("node", "Id of a node."),
            schema.query("state", "Several with commas.", enum=Stray.State.values),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows: QuerySet[Stray] = Stray.objects.all()
        node = request.query_params.get("node")
        if node is not None:
            rows = rows.filter(node_id=node)
        states = choices(request, "state", Stray.State.values)
        if states:
            rows = rows.filter(state__in=states)
        return STRAYS.page(request, rows)
