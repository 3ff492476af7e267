"""Observed state: children and supervisors, their lives, the journal, and how many there are of what."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, tree_of, visible_trees
from controlplane.api import observedshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, boolean, choices, moment, optional_integer
from controlplane.api.snapshot import observed_answer
from controlplane.api.versions import answer, tag_of_body
from controlplane.filters.keyset import Order
from supervision.fleet.models import Node
from supervision.journal.models import Incarnation, JournalRecord, ObservedChild
from supervision.runtime.observed import STATES

TAG = ["children"]
KINDS = ("step", "command", "exit", "node", "process", "stray", "tree", "snapshot", "dropped", "damage")


def only_visible(endpoint: Endpoint, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Rows of the trees that the principal may see."""
    names = visible_trees(endpoint.principal)
    return rows if names is None else rows.filter(tree__in=names)


def at_or_below(key: str) -> Q:
    """The key itself, its instances, and everything below it."""
    return Q(key=key) | Q(key__startswith=f"{key}/") | Q(key__startswith=f"{key}@")


def render_child(child: ObservedChild) -> dict[str, Any]:
    return dict(observedshapes.ChildShape(child).data)


CHILDREN = Listing(
    {
        "key": Order(("key", "node_id")),
        "newest": Order(("id",), descending=True),
        "restarts": Order(("restarts", "id"), descending=True),
        "tree": Order(("tree", "node_id", "position", "id")),
    },
    render_child,
)


class Children(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"tree", "node", "state", "key", "supervisors", "held", "wanted"})
    is_list = True

    @schema.says(
        "List children and supervisors",
        operation="list_children",
        answers={200: schema.page_of(observedshapes.ChildShape)},
        parameters=[
            *schema.page_parameters(list(CHILDREN.orders)),
            schema.query("tree"),
            schema.query("node", "Id of a node."),
            schema.query("state", "Several with commas.", enum=list(STATES)),
            schema.query("key", "This key, its instances, and everything below it."),
            schema.query("supervisors", "Only supervisors, or none.", kind=bool),
            schema.query("held", kind=bool),
            schema.query("wanted", enum=["up", "down"]),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = only_visible(self, ObservedChild.objects.filter(removed=False))
        for name, field in (("tree", "tree"), ("node", "node_id"), ("wanted", "wanted")):
            value = request.query_params.get(name)
            if value is not None:
                rows = rows.filter(**{field: value})
        states = choices(request, "state", STATES)
        if states:
            rows = rows.filter(state__in=states)
        key = request.query_params.get("key")
        if key is not None:
            rows = rows.filter(at_or_below(key))
        for name, field in (("supervisors", "is_supervisor"), ("held", "held")):
            said = boolean(request, name)
            if said is not None:
                rows = rows.filter(**{field: said})
        return CHILDREN.page(request, rows)


class ChildDetail(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"node"})

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        return tree_of(str(kwargs["key"]))

    @schema.says(
        "One child or supervisor, on each node that has it",
        operation="get_child",
        answers={200: observedshapes.ChildOnNodesShape},
        parameters=[schema.query("node", "Id of a node.")],
        tags=TAG,
    )
    def get(self, request: Request, key: str) -> Response:
        rows = ObservedChild.objects.filter(key=key, removed=False)
        node = request.query_params.get("node")
        if node is not None:
            rows = rows.filter(node_id=node)
        found = [render_child(row) for row in rows.order_by("node_id")[:200]]
        if not found:
            raise Problem("not-found", f"There is no {key}.")
        body = {"key": key, "tree": tree_of(key), "on": found}
        return answer(request, body, tag_of_body(body))


# -- incarnations -------------------------------------------------------------------------------------------------------


def render_incarnation(row: Incarnation) -> dict[str, Any]:
    return dict(observedshapes.IncarnationShape(row).data)


INCARNATIONS = Listing(
    {"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_incarnation
)


class Incarnations(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"key", "tree", "node", "number", "running"})
    is_list = True

    @schema.says(
        "List incarnations: the lives of children",
        operation="list_incarnations",
        answers={200: schema.page_of(observedshapes.IncarnationShape)},
        parameters=[
            *schema.page_parameters(list(INCARNATIONS.orders)),
            schema.query("key", "Exactly this key."),
            schema.query("tree"),
            schema.query("node", "Id of a node."),
            schema.query("number", kind=int),
            schema.query("running", "Not ended yet.", kind=bool),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = only_visible(self, Incarnation.objects.all())
        for name, field in (("tree", "tree"), ("node", "node_id"), ("key", "key")):
            value = request.query_params.get(name)
            if value is not None:
                rows = rows.filter(**{field: value})
        number = optional_integer(request, "number")
        if number is not None:
            rows = rows.filter(number=number)
        running = boolean(request, "running")
        if running is not None:
            rows = rows.filter(ended_at__isnull=running)
        return INCARNATIONS.page(request, rows)


# -- the journal --------------------------------------------------------------------------------------------------------


def render_event(row: JournalRecord) -> dict[str, Any]:
    return dict(observedshapes.EventShape(row).data)


EVENTS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_event)


class Events(Endpoint):
    """Records that belong to no tree (a node's own) need the permission to view every tree."""

    needs = {"GET": None}
    parameters = frozenset({"key", "tree", "node", "kind", "since", "until", "after"})
    is_list = True

    @schema.says(
        "List journal records",
        operation="list_events",
        description="`order=oldest` with `after` follows: the records that came after the one with that id.",
        answers={200: schema.page_of(observedshapes.EventShape)},
        parameters=[
            *schema.page_parameters(list(EVENTS.orders)),
            schema.query("key", "This key and everything below it.", many=True),
            schema.query("tree"),
            schema.query("node", "Id of a node."),
            schema.query("kind", "Several with commas; default: all but snapshots.", enum=list(KINDS)),
            schema.query("since", "From this moment on.", kind=schema.MOMENT),
            schema.query("until", "Before this moment.", kind=schema.MOMENT),
            schema.query("after", "Id of a record.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = only_visible(self, JournalRecord.objects.all())
        for name, field in (("tree", "tree"), ("node", "node_id")):
            value = request.query_params.get(name)
            if value is not None:
                rows = rows.filter(**{field: value})
        kinds = choices(request, "kind", KINDS)
        rows = rows.filter(kind__in=kinds) if kinds else rows.exclude(kind="snapshot")
        keys = request.query_params.getlist("key")
        if keys:
            wanted = Q(pk__in=[])
            for key in keys[:50]:
                wanted |= at_or_below(key) | Q(tree=key)
            rows = rows.filter(wanted)
        since, until, after = (
            moment(request, "since"),
            moment(request, "until"),
            optional_integer(request, "after"),
        )
        if since is not None:
            rows = rows.filter(at__gte=since)
        if until is not None:
            rows = rows.filter(at__lt=until)
        if after is not None:
            rows = rows.filter(id__gt=after)
        return EVENTS.page(request, rows)


# -- how many, and all of it at once ------------------------------------------------------------------------------------


class Counts(Endpoint):
    needs = {"GET": None}

    @schema.says(
        "How many children are in which state",
        operation="counts",
        description="Children that are no supervisors; by state, by tree and by node. Nodes only with the right to see all.",
        answers={200: observedshapes.CountsShape},
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = only_visible(self, ObservedChild.objects.filter(removed=False, is_supervisor=False))
        states = dict.fromkeys(STATES, 0)
        trees: dict[str, dict[str, int]] = {}
        nodes: dict[str, dict[str, int]] = {}
        grouped = rows.order_by().values_list("tree", "node_id", "state").annotate(number=Count("id"))
        for tree, node, state, number in grouped:
            states[state] = states.get(state, 0) + number
            for table, name in ((trees, tree), (nodes, node)):
                of_name = table.setdefault(name, {})
                of_name[state] = of_name.get(state, 0) + number
        everything = self.principal.can(Permission.VIEW, EVERY_TREE)
        by_state = (
            dict(Node.objects.order_by().values_list("state").annotate(number=Count("id")))
            if everything
            else {}
        )
        return Response(
            {
                "at": timezone.now(),
                "children": sum(states.values()),
                "states": states,
                "trees": trees,
                "nodes": nodes if everything else {},
                "node_states": by_state,
            }
        )


class ObservedState(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"node", "tree"})

    @schema.says(
        "Everything that is, as nested trees",
        operation="observed",
        description=(
            "The shape of a node's own answer to `tree --json`. Without `node`, all nodes' trees together. "
            "`node.age_s` says how old it is."
        ),
        answers={200: schema.OBJECT},
        parameters=[schema.query("node", "Id or name of a node."), schema.query("tree")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        tree = request.query_params.get("tree")
        if tree is not None:
            require(self.principal, Permission.VIEW, tree)
        body = observed_answer(
            node=request.query_params.get("node"),
            tree=tree,
            visible=visible_trees(self.principal),
            now=timezone.now(),
        )
        if body is None:
            raise Problem("not-found", "There is no such node.")
        return Response(body)
