"""The saved views of a list, as its page shows them; and the one that is shown to who asks for nothing."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from controlplane.access.policy import Principal
from controlplane.savedviews import selectors
from controlplane.savedviews.lists import BY_PAGE, ListOf
from controlplane.savedviews.models import SavedView


@dataclass(frozen=True, slots=True)
class Kept:
    """views: rows for the menu, one's own first. hidden: columns. instead: one's default, where no query was given."""

    of: ListOf
    views: list[dict[str, Any]]
    hidden: tuple[str, ...]
    instead: str
    may_save: bool
    url: str

    @property
    def has_default(self) -> bool:
        """Then an empty filter has to be said in the address."""
        return any(view["is_default"] for view in self.views)

    @property
    def current(self) -> dict[str, Any] | None:
        """The view that the page shows, if it is one."""
        return next((view for view in self.views if view["is_current"]), None)


def kept_of(slug: str, http: HttpRequest, principal: Principal) -> Kept | None:
    """None for a page without a list."""
    of = BY_PAGE.get(slug)
    if of is None or not of.opens_for(principal):
        return None
    found = selectors.views_of(principal, of.name)
    hidden = of.hidden(http.GET.get("hide", ""))
    asked = (http.GET.get("q", "").strip(), http.GET.get("sort", ""), ",".join(hidden))
    rows = [
        _row(view, principal, is_current="q" in http.GET and (view.q, view.sort, view.hidden) == asked)
        for view in found
    ]
    instead = ""
    if http.method == "GET" and not http.GET:
        own = next((view for view in found if view.is_default and view.owner_id == principal.user_id), None)
        instead = selectors.address(own) if own is not None and not own.problem else ""
    return Kept(of, rows, hidden, instead, principal.token is None, reverse("views"))


def _row(view: SavedView, principal: Principal, *, is_current: bool) -> dict[str, Any]:
    is_own = view.owner_id == principal.user_id
    return {
        "name": view.name,
        "url": selectors.address(view),
        "is_current": is_current,
        "is_own": is_own,
        "is_shared": view.is_shared,
        "is_default": view.is_default and is_own,
        "owner": view.owner.get_username(),
        "problem": view.problem,
    }
