"""Rows that people make, change by version and remove: the list and the one of a kind, written once.

A kind says what its rows are and which services make and remove them; `endpoints` makes the two endpoints of it. A row has
`pk`, `tree` and `version`; whoever administers the tree may change it, and the tree that it is moved to as well.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.pages import Listing
from controlplane.api.shapes import Body, read
from controlplane.api.versions import answer, require_match, tag_of

Row = TypeVar("Row", bound=Model)
Trees = frozenset[str] | None


@dataclass(frozen=True)
class Kind(Generic[Row]):
    """What the endpoints of one kind differ in. Any: rows and fields of different rooms.

    rows    those of trees that may be seen, with all that is shown
    find    one of them, or what `carried_out` says as 404
    fields  of a checked body
    tree_of of fields: the tree that a row of them would belong to
    save    (row or None, fields, actor and now as keywords): the row
    """

    noun: str
    nouns: str
    words: str
    """One of them, such as "a rule"."""
    many: str
    tag: list[str]
    body: type[Body]
    shape: type[serializers.Serializer[Any]]
    listing: Listing[Row]
    rows: Callable[[Trees], QuerySet[Row]]
    find: Callable[[int, Trees], Row]
    fields: Callable[[dict[str, Any]], Any]
    tree_of: Callable[[Any], str]
    save: Callable[..., Row]
    delete: Callable[..., None]
    carried_out: Callable[[Callable[[], Any]], Any]
    listed: str = ""
    """What the list shows, for the document."""
    changed: str = ""
    """What changing one means."""
    removed: str = ""


def endpoints(kind: Kind[Row]) -> tuple[type[Endpoint], type[Endpoint]]:
    """The list and the one."""

    def found(endpoint: Endpoint, number: int, permission: Permission | None = None) -> Any:
        row: Any = kind.carried_out(lambda: kind.find(number, visible_trees(endpoint.principal)))
        if permission is not None:
            require(endpoint.principal, permission, row.tree or EVERY_TREE)
        return row

    def saved(endpoint: Endpoint, request: Request, row: Any) -> Any:
        fields = kind.carried_out(lambda: kind.fields(read(kind.body, request)))
        require(
            endpoint.principal, Permission.ADMIN, kind.carried_out(lambda: kind.tree_of(fields)) or EVERY_TREE
        )
        made = kind.carried_out(lambda: kind.save(row, fields, actor=endpoint.actor, now=timezone.now()))
        return kind.find(made.pk, None)

    class Many(Endpoint):
        needs = {"GET": None, "POST": None}
        is_list = True

        @schema.says(
            f"List {kind.many}",
            operation=f"list_{kind.nouns}",
            description=kind.listed,
            answers={200: schema.page_of(kind.shape)},
            parameters=schema.page_parameters(list(kind.listing.orders)),
            tags=kind.tag,
        )
        def get(self, request: Request) -> Response:
            return kind.listing.page(request, kind.rows(visible_trees(self.principal)))

        @schema.says(
            f"Make {kind.words}",
            operation=f"create_{kind.noun}",
            body=kind.body,
            answers={201: kind.shape},
            parameters=[schema.KEY],
            errors=(409, 413, 415, 422),
            tags=kind.tag,
        )
        def post(self, request: Request) -> Response:
            def act() -> Response:
                made = saved(self, request, None)
                tag = tag_of(made.version)
                return Response(kind.listing.render(made), status=201, headers={"ETag": tag})

            return self.once(request, act)

    class One(Endpoint):
        needs = {"GET": None, "PUT": None, "DELETE": None}

        @schema.says(
            f"One {kind.words.partition(' ')[2]}",
            operation=f"get_{kind.noun}",
            answers={200: kind.shape},
            tags=kind.tag,
        )
        def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
            row = found(self, id)
            return answer(request, kind.listing.render(row), tag_of(row.version))

        @schema.says(
            f"Change {kind.words}",
            operation=f"change_{kind.noun}",
            description=kind.changed,
            body=kind.body,
            answers={200: kind.shape},
            parameters=[schema.IF_MATCH],
            errors=(409, 412, 413, 415, 422, 428),
            tags=kind.tag,
        )
        def put(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
            row = found(self, id, Permission.ADMIN)
            require_match(request, tag_of(row.version), lambda: kind.listing.render(row))
            made = saved(self, request, row)
            return Response(kind.listing.render(made), headers={"ETag": tag_of(made.version)})

        @schema.says(
            f"Remove {kind.words}",
            operation=f"delete_{kind.noun}",
            description=kind.removed,
            answers={204: None},
            parameters=[schema.IF_MATCH],
            errors=(412, 428),
            tags=kind.tag,
        )
        def delete(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
            row = found(self, id, Permission.ADMIN)
            require_match(request, tag_of(row.version), lambda: kind.listing.render(row))
            kind.carried_out(lambda: kind.delete(row, actor=self.actor, now=timezone.now()))
            return Response(status=204)

    return Many, One
