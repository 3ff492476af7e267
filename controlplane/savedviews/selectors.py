"""Reads of saved views. Nobody sees another one's private view, nor one of a list that may not be opened."""

from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.urls import reverse

from controlplane.access.policy import Permission, Principal
from controlplane.savedviews.exceptions import NoViewError
from controlplane.savedviews.lists import SAVED, open_to
from controlplane.savedviews.models import SavedView

SHOWN = 200
"""Of one list, in its menu."""


def views(principal: Principal) -> QuerySet[SavedView]:
    """One's own and those that are shared, of lists that one may open."""
    mine = Q(owner_id=principal.user_id) | Q(is_shared=True)
    return SavedView.objects.filter(mine, list__in=open_to(principal)).select_related("owner")


def views_of(principal: Principal, list_name: str) -> list[SavedView]:
    """Of one list, by name; one's own first."""
    found = views(principal).filter(list=list_name).order_by("name", "id")[:SHOWN]
    return sorted(found, key=lambda view: view.owner_id != principal.user_id)


def get_view(view_id: int, principal: Principal) -> SavedView:
    """Raises NoViewError."""
    found = views(principal).filter(pk=view_id).first()
    if found is None:
        raise NoViewError("There is no such view, or it is not yours to see.")
    return found


def may_change(view: SavedView, principal: Principal) -> bool:
    """Its owner, at a keyboard; a token reads."""
    return principal.token is None and view.owner_id == principal.user_id


def may_delete(view: SavedView, principal: Principal) -> bool:
    """Its owner; and an admin, what is shared: its owner may have left."""
    if principal.token is not None:
        return False
    return view.owner_id == principal.user_id or (view.is_shared and principal.can(Permission.ADMIN))


def address(view: SavedView) -> str:
    """The list as the view has it. The filter is there even when it is empty: without one a list begins with its default."""
    asked = {"q": view.q, "sort": view.sort, "hide": view.hidden}
    query = urlencode({name: value for name, value in asked.items() if value or name == "q"})
    return f"{reverse(SAVED[view.list].page)}?{query}"
