"""What leaks in living processes, and health checks of running children."""

from dataclasses import asdict
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, visible_trees
from controlplane.api import leakshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, boolean, choices
from controlplane.filters.keyset import Order
from supervision.health import selectors as health
from supervision.health.coverage import coverage
from supervision.health.models import HealthCheck
from supervision.leakwatch import selectors
from supervision.leakwatch.models import LeakFinding, SharedLeak


def render_leak(leak: LeakFinding) -> dict[str, Any]:
    return dict(leakshapes.LeakShape(leak).data)


def render_shared_leak(leak: SharedLeak) -> dict[str, Any]:
    return dict(leakshapes.SharedLeakShape(leak).data)


def render_check(check: HealthCheck) -> dict[str, Any]:
    return dict(leakshapes.HealthCheckShape(check).data)


LEAKS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_leak)
SHARED = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_shared_leak)
CHECKS = Listing({"key": Order(("key", "id")), "newest": Order(("id",), descending=True)}, render_check)


class Leaks(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"open", "resource", "action", "tree", "key", "node"})
    is_list = True

    @schema.says(
        "List what leaks",
        operation="list_leaks",
        description="Of trees that may be seen; what is over stays for 30 days. Rates are by the second.",
        answers={200: schema.page_of(leakshapes.LeakShape)},
        parameters=[
            *schema.page_parameters(list(LEAKS.orders)),
            schema.query("open", "true: what grows now; false: what is over.", kind=bool),
            schema.query("resource", "Several with commas.", enum=leakshapes.LEAKING),
            schema.query("action", "Several with commas.", enum=leakshapes.ACTIONS),
            schema.query("tree"),
            schema.query("key"),
            schema.query("node", "Id of a node."),
        ],
        tags=["leaks"],
    )
    def get(self, request: Request) -> Response:
        rows = selectors.findings(
            trees=visible_trees(self.principal), is_open=boolean(request, "open")
        ).order_by()
        for name, known in (("resource", leakshapes.LEAKING), ("action", leakshapes.ACTIONS)):
            wanted = choices(request, name, known)
            if wanted:
                rows = rows.filter(**{f"{name}__in": wanted})
        for name, column in (("tree", "tree"), ("key", "key"), ("node", "node_id")):
            value = request.query_params.get(name)
            if value is not None:
                rows = rows.filter(**{column: value})
        return LEAKS.page(request, rows)


class LeakDetail(Endpoint):
    needs = {"GET": None}

    @schema.says("One finding", operation="get_leak", answers={200: leakshapes.LeakShape}, tags=["leaks"])
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        found = selectors.one(id, trees=visible_trees(self.principal))
        if found is None:
            raise Problem("not-found", "There is no such finding.")
        return Response(render_leak(found))


class SharedLeaks(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"open", "kind"})
    is_list = True

    @schema.says(
        "List what the fleet leaks together",
        operation="list_shared_leaks",
        description="Keys, subscriptions, connections, orphans: what no single process holds. Kept for 30 days.",
        answers={200: schema.page_of(leakshapes.SharedLeakShape)},
        parameters=[
            *schema.page_parameters(list(SHARED.orders)),
            schema.query("open", "true: what grows now; false: what is over.", kind=bool),
            schema.query("kind", "Several with commas.", enum=leakshapes.SHARED_KINDS),
        ],
        tags=["leaks"],
    )
    def get(self, request: Request) -> Response:
        rows = SharedLeak.objects.filter(found_at__isnull=False).order_by()
        is_open = boolean(request, "open")
        if is_open is not None:
            rows = rows.filter(ended_at__isnull=is_open)
        wanted = choices(request, "kind", leakshapes.SHARED_KINDS)
        return SHARED.page(request, rows.filter(kind__in=wanted) if wanted else rows)


class NodeCoverage(Endpoint):
    needs = {"GET": Permission.VIEW}

    @schema.says(
        "How many processes belong to a child",
        operation="get_coverage",
        description="Of those that descend from each node: children, what is below them, and strays.",
        answers={200: leakshapes.NodeCoverageListShape},
        tags=["health"],
    )
    def get(self, request: Request) -> Response:
        items = [{**asdict(one), "processes": one.processes, "share": one.share} for one in coverage()]
        return Response({"items": items})


class HealthChecks(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"state", "kind", "tree", "key", "node"})
    is_list = True

    @schema.says(
        "List health checks",
        operation="list_health_checks",
        description="One for each check of each child that runs, of trees that may be seen. `stale`: nobody looked for two "
        "intervals; `state` is what was found before.",
        answers={200: schema.page_of(leakshapes.HealthCheckShape)},
        parameters=[
            *schema.page_parameters(list(CHECKS.orders)),
            schema.query("state", "Several with commas.", enum=leakshapes.HEALTH),
            schema.query("kind", "Several with commas.", enum=leakshapes.CHECK_KINDS),
            schema.query("tree"),
            schema.query("key"),
            schema.query("node", "Id of a node."),
        ],
        tags=["health"],
    )
    def get(self, request: Request) -> Response:
        rows = health.checks(trees=visible_trees(self.principal)).order_by()
        for name, known in (("state", leakshapes.HEALTH), ("kind", leakshapes.CHECK_KINDS)):
            wanted = choices(request, name, known)
            if wanted:
                rows = rows.filter(**{f"{name}__in": wanted})
        for name, column in (("tree", "tree"), ("key", "key"), ("node", "node_id")):
            value = request.query_params.get(name)
            if value is not None:
                rows = rows.filter(**{column: value})
        return CHECKS.page(request, rows)
