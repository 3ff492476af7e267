"""The API's first page: where what is."""

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api import schema
from controlplane.api.endpoint import Endpoint

RESOURCES = (
    "me",
    "tokens",
    "users",
    "trees",
    "plan",
    "validate",
    "tree-schema",
    "rollouts",
    "agent-kinds",
    "agent-configs",
    "registrations",
    "checkpoints",
    "services",
    "nodes",
    "strays",
    "observed",
    "counts",
    "children",
    "incarnations",
    "events",
    "logs",
    "samples",
    "leaks",
    "shared-leaks",
    "health-checks",
    "coverage",
    "explain",
    "commands",
    "operations",
    "alerts",
    "deliveries",
    "channels",
    "silences",
    "audit-projects",
    "audit-findings",
    "remediation-plans",
    "audit",
    "views",
)


class Index(Endpoint):
    needs = {"GET": None}

    @schema.says("Where what is", operation="index", answers={200: schema.OBJECT}, tags=["index"])
    def get(self, request: Request) -> Response:
        found = {name.replace("-", "_"): reverse(f"api:{name}") for name in RESOURCES}
        return Response({**found, "schema": reverse("api-schema")})
