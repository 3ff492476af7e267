"""Kinds of agents: what the arguments of their configs may be."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from agents.configs import kinds
from agents.configs.kinds import Fitting
from agents.configs.models import AgentKind
from agents.exceptions import ChangedMeanwhileError
from controlplane.access.policy import Permission
from controlplane.api import agentshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing
from controlplane.api.shapes import read
from controlplane.api.versions import answer, expected_version, stale, tag_of
from controlplane.filters.keyset import Order

TAG = ["agents"]


def render(kind: AgentKind) -> dict[str, Any]:
    return dict(agentshapes.AgentKindShape(kind).data)


def render_fitting(found: Fitting) -> dict[str, Any]:
    """What a schema would mean."""
    configs = [
        {
            "config": one.config,
            "fits": not one.faults,
            "faults": [{"pointer": fault.pointer, "detail": fault.detail} for fault in one.faults],
        }
        for one in found.fits
    ]
    return {
        "changed": found.changed,
        "version": found.kind.version if found.kind is not None else None,
        "accepted": all(one["fits"] for one in configs),
        "configs": configs,
    }


KINDS = Listing({"name": Order(("name",))}, render)


class AgentKinds(Endpoint):
    needs = {"GET": Permission.VIEW}
    is_list = True

    @schema.says(
        "List kinds of agents",
        operation="list_agent_kinds",
        answers={200: schema.page_of(agentshapes.AgentKindShape)},
        parameters=schema.page_parameters(list(KINDS.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return KINDS.page(request, AgentKind.objects.all())


class AgentKindDetail(Endpoint):
    needs = {"GET": Permission.VIEW, "PUT": Permission.ADMIN, "DELETE": Permission.ADMIN}

    @schema.says(
        "One kind of agent",
        operation="get_agent_kind",
        answers={200: agentshapes.AgentKindShape},
        tags=TAG,
    )
    def get(self, request: Request, name: str) -> Response:
        kind = kinds.kind_by_name(name)
        return answer(request, render(kind), tag_of(kind.version))

    @schema.says(
        "Declare a kind of agent",
        operation="put_agent_kind",
        description=(
            "`If-None-Match: *` declares a new one. A schema that the arguments of a config of this kind do not fit is "
            "refused with 409 and the configs' names."
        ),
        body=agentshapes.AgentKindBody,
        answers={200: agentshapes.AgentKindShape, 201: agentshapes.AgentKindShape},
        parameters=[schema.IF_MATCH_OPTIONAL, schema.IF_NONE_MATCH],
        errors=(409, 412, 413, 415, 428),
        tags=TAG,
    )
    def put(self, request: Request, name: str) -> Response:
        expected = new_or(request)
        body = read(agentshapes.AgentKindBody, request)
        try:
            kind = kinds.put_kind(name=name, actor=self.actor, expected=expected, **body)
        except ChangedMeanwhileError:
            raise _stale(name) from None
        headers = {"ETag": tag_of(kind.version)}
        return Response(render(kind), status=201 if expected == 0 else 200, headers=headers)

    @schema.says(
        "Delete a kind of agent",
        operation="delete_agent_kind",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, name: str) -> Response:
        try:
            kinds.delete_kind(name=name, actor=self.actor, expected=expected_version(request))
        except ChangedMeanwhileError:
            raise _stale(name) from None
        return Response(status=204)


class AgentKindPlan(Endpoint):
    needs = {"POST": Permission.ADMIN}

    @schema.says(
        "What a schema would mean for the configs of a kind",
        operation="plan_agent_kind",
        description="Changes nothing: which configs would become invalid, with the fields that are wrong.",
        body=agentshapes.AgentKindPlanBody,
        answers={200: agentshapes.AgentKindPlanShape},
        errors=(413, 415),
        tags=TAG,
    )
    def post(self, request: Request, name: str) -> Response:
        body = read(agentshapes.AgentKindPlanBody, request)
        return Response(render_fitting(kinds.fitting(name, body["schema"])))


def new_or(request: Request) -> int | None:
    """The version in If-Match; 0 with `If-None-Match: *`: there must be none yet."""
    given = request.headers.get("If-None-Match")
    if given is None:
        return expected_version(request)
    if given.strip() != "*":
        raise Problem.invalid("If-None-Match", "Only * is meant here: there must be none yet.")
    return 0


def _stale(name: str) -> Problem:
    kind = AgentKind.objects.filter(name=name).first()
    return stale("", None) if kind is None else stale(tag_of(kind.version), render(kind))
