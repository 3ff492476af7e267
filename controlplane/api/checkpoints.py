"""Checkpoints of agents, as their nodes carried them."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.checkpoints import services
from agents.checkpoints.models import Checkpoint
from controlplane.access.policy import Permission, require, visible_trees
from controlplane.api import schema
from controlplane.api.bodies import BytesRenderer, StrictJSONRenderer
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing
from controlplane.api.versions import answer, require_match, tag_of
from controlplane.filters.keyset import Order

TAG = ["agents"]


class CheckpointShape(serializers.Serializer[Any]):
    """A state that an agent saved, without the state itself."""

    id = serializers.IntegerField()
    key = serializers.CharField()
    tree = serializers.CharField()
    node = serializers.CharField(source="node_id")
    epoch = serializers.IntegerField(help_text="Of the placement it was saved under.")
    version = serializers.IntegerField()
    incarnation = serializers.IntegerField()
    schema = serializers.IntegerField()
    content = serializers.CharField(help_text="json or bytes.")
    bytes = serializers.IntegerField()
    checksum = serializers.CharField(help_text="SHA-256 of the state; empty where only its size was carried.")
    at = serializers.DateTimeField()


def render(row: Checkpoint) -> dict[str, Any]:
    return dict(CheckpointShape(row).data)


CHECKPOINTS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render)


def visible(endpoint: Endpoint) -> QuerySet[Checkpoint]:
    rows = Checkpoint.objects.defer("data")
    names = visible_trees(endpoint.principal)
    return rows if names is None else rows.filter(tree__in=names)


def find(endpoint: Endpoint, number: int) -> Checkpoint:
    row = visible(endpoint).filter(pk=number).first()
    if row is None:
        raise Problem("not-found", f"There is no checkpoint {number}.")
    return row


class Checkpoints(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"key", "tree"})
    is_list = True

    @schema.says(
        "List checkpoints",
        operation="list_checkpoints",
        answers={200: schema.page_of(CheckpointShape)},
        parameters=[
            *schema.page_parameters(list(CHECKPOINTS.orders)),
            schema.query("key"),
            schema.query("tree"),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = visible(self)
        for name in ("key", "tree"):
            if name in request.query_params:
                rows = rows.filter(**{name: request.query_params[name]})
        return CHECKPOINTS.page(request, rows)


class CheckpointDetail(Endpoint):
    needs = {"GET": None, "DELETE": None}

    @schema.says(
        "One checkpoint, without its state",
        operation="get_checkpoint",
        answers={200: CheckpointShape},
        tags=TAG,
    )
    def get(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        row = find(self, id)
        return answer(request, render(row), tag_of(row.pk))

    @schema.says(
        "Forget a checkpoint of the store",
        operation="delete_checkpoint",
        description="The node keeps its own; a node that never had the agent goes on from the one before.",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        row = find(self, id)
        require(self.principal, Permission.ADMIN, row.tree)
        require_match(request, tag_of(row.pk), lambda: render(row))
        services.delete_checkpoint(pk=row.pk, actor=self.actor)
        return Response(status=204)


class CheckpointState(Endpoint):
    needs = {"GET": None}
    renderer_classes = [BytesRenderer, StrictJSONRenderer]

    @schema.says(
        "The state of a checkpoint",
        operation="get_checkpoint_state",
        description="As the agent saved it; what it holds is the agent's own, so it needs an admin of its tree.",
        answers={(200, "application/octet-stream"): schema.OBJECT},
        tags=TAG,
    )
    def get(self, request: Request, id: int) -> HttpResponse:  # noqa: A002  the URL's word
        row = find(self, id)
        require(self.principal, Permission.ADMIN, row.tree)
        data = Checkpoint.objects.values_list("data", flat=True).get(pk=row.pk)
        if data is None:
            raise Problem("not-found", "The state is too large for the store: its node has it.")
        headers = {
            "ETag": tag_of(row.pk),
            "Content-Disposition": f'attachment; filename="checkpoint-{row.pk}"',
        }
        return HttpResponse(bytes(data), content_type="application/octet-stream", headers=headers)
