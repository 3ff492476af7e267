"""Saved views: one's own, and those that others share."""

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api import schema, viewshapes
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, choice
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of
from controlplane.filters.keyset import Order
from controlplane.savedviews import exceptions, selectors, services
from controlplane.savedviews.lists import SAVED
from controlplane.savedviews.models import SavedView

TAG = ["views"]
FIELD = {"q": "filter"}
"""Columns that the API names otherwise."""


def render(view: SavedView) -> dict[str, Any]:
    return {
        "id": view.pk,
        "list": view.list,
        "title": SAVED[view.list].title,
        "name": view.name,
        "filter": view.q,
        "sort": view.sort,
        "hidden": view.hidden,
        "shared": view.is_shared,
        "default": view.is_default,
        "owner": view.owner.get_username(),
        "url": selectors.address(view),
        "problem": view.problem,
    }


VIEWS = Listing({"name": Order(("list", "name", "id"))}, render)


def carried_out(act: Callable[[], Any]) -> Any:
    """What the room refuses, as the API says it. Any: what `act` returns."""
    try:
        return act()
    except exceptions.NoViewError as error:
        raise Problem("not-found", str(error)) from None
    except exceptions.NameTakenError as error:
        raise Problem("conflict", str(error)) from None
    except exceptions.InvalidViewError as error:
        raise Problem.invalid(f"/{FIELD.get(error.field, error.field)}", str(error)) from None


class Views(Endpoint):
    needs = {"GET": None, "POST": None}
    parameters = frozenset({"list"})
    is_list = True

    @schema.says(
        "List saved views",
        operation="list_views",
        description="One's own and those that others share, of lists that one may open.",
        answers={200: schema.page_of(viewshapes.ViewShape)},
        parameters=[*schema.page_parameters(list(VIEWS.orders)), schema.query("list", ", ".join(SAVED))],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.views(self.principal)
        wanted = choice(request, "list", list(SAVED))
        return VIEWS.page(request, rows if wanted is None else rows.filter(list=wanted))

    @schema.says(
        "Save a view",
        operation="create_view",
        description="For oneself: a token has no views of its own.",
        body=viewshapes.ViewBody,
        answers={201: viewshapes.ViewShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            fields = services.ViewFields(**read(viewshapes.ViewBody, request))
            self._refuse(fields.list)
            owner = self.principal.user_id
            made = carried_out(
                lambda: services.save_view(view=None, owner_id=owner, fields=fields, actor=self.actor)
            )
            headers = {"ETag": tag_of(made.version), "Location": reverse("api:view", args=[made.pk])}
            return Response(render(made), status=201, headers=headers)

        return self.once(request, act)

    def _refuse(self, list_name: str) -> None:
        if self.principal.token is not None:
            raise Problem("forbidden", "A token has no views of its own.")
        if not SAVED[list_name].opens_for(self.principal):
            raise Problem("forbidden", f"You may not open {SAVED[list_name].title}.")


class ViewDetail(Endpoint):
    needs = {"GET": None, "PUT": None, "DELETE": None}

    @schema.says("One view", operation="get_view", answers={200: viewshapes.ViewShape}, tags=TAG)
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        view = self._find(id)
        return answer(request, render(view), tag_of(view.version))

    @schema.says(
        "Change one's own view",
        operation="change_view",
        body=viewshapes.ViewBody,
        answers={200: viewshapes.ViewShape},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 413, 415, 422, 428),
        tags=TAG,
    )
    def put(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        view = self._find(id)
        if not selectors.may_change(view, self.principal):
            raise Problem("forbidden", "Only its owner changes a view, and no token does.")
        require_match(request, tag_of(view.version), lambda: render(view))
        fields = services.ViewFields(**read(viewshapes.ViewBody, request))
        made = carried_out(
            lambda: services.save_view(view=view, owner_id=view.owner_id, fields=fields, actor=self.actor)
        )
        return Response(render(made), headers={"ETag": tag_of(made.version)})

    @schema.says(
        "Delete a view",
        operation="delete_view",
        description="One's own; an admin of every tree also deletes what others share.",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        view = self._find(id)
        if not selectors.may_delete(view, self.principal):
            raise Problem(
                "forbidden", "Only its owner deletes a view, an admin what is shared, and no token does."
            )
        require_match(request, tag_of(view.version), lambda: render(view))
        carried_out(lambda: services.delete_view(view=view, actor=self.actor))
        return Response(status=204)

    def _find(self, number: int) -> SavedView:
        found: SavedView = carried_out(lambda: selectors.get_view(number, self.principal))
        return found
