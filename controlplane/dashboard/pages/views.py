"""Saved views: one's own and those that others share; each may be renamed, shared, made the default, or deleted."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from controlplane.access.actors import actor_of
from controlplane.access.exceptions import ForbiddenError
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.savedviews import selectors, services
from controlplane.savedviews.exceptions import InvalidViewError, NameTakenError, NoViewError
from controlplane.savedviews.lists import SAVED, open_to
from controlplane.savedviews.models import SavedView
from controlplane.savedviews.services import ViewFields

MOST = 500


def select(request: PageRequest) -> Context:
    rows = [
        _row(view, request)
        for view in selectors.views(request.principal).order_by("list", "name", "id")[:MOST]
    ]
    return {
        "own": [row for row in rows if row["is_own"]],
        "others": [row for row in rows if not row["is_own"]],
        "lists": [SAVED[name] for name in open_to(request.principal)],
    }


def _row(view: SavedView, request: PageRequest) -> dict[str, Any]:
    return {
        "id": view.pk,
        "name": view.name,
        "list": SAVED[view.list].title,
        "q": view.q,
        "sort": view.sort,
        "hidden": view.hidden,
        "url": selectors.address(view),
        "owner": view.owner.get_username(),
        "is_own": view.owner_id == request.principal.user_id,
        "is_shared": view.is_shared,
        "is_default": view.is_default,
        "problem": view.problem,
        "may_change": selectors.may_change(view, request.principal),
        "may_delete": selectors.may_delete(view, request.principal),
    }


def act(request: PageRequest) -> HttpResponse:
    """From a list's own menu (`save`) back to that list; from here (`change`, `delete`) back to here."""
    if request.principal.token is not None:
        raise ForbiddenError("A token has no views of its own.")
    do = {"save": _save, "change": _change, "delete": _delete}.get(request.http.POST.get("do", ""))
    if do is None:
        raise Http404("There is no such action.")
    try:
        target = do(request)
    except (InvalidViewError, NameTakenError) as error:
        messages.error(request.http, str(error))
        target = _list_of(request) or reverse("views")
    except NoViewError as error:
        raise Http404(str(error)) from None
    return HttpResponseRedirect(target, status=303)


def _save(request: PageRequest) -> str:
    """Under a name of one's own; what has it already gets what the list shows now."""
    post = request.http.POST
    name = post.get("list", "")
    if name not in open_to(request.principal):
        raise Http404("There is no such list.")
    fields = ViewFields(
        list=name,
        name=post.get("name", "").strip(),
        q=post.get("q", "").strip(),
        sort=post.get("sort", "").strip(),
        hidden=post.get("hide", "").strip(),
        is_shared="shared" in post,
        is_default="default" in post,
    )
    made, is_new = services.save_named(
        owner_id=request.principal.user_id, fields=fields, actor=actor_of(request.http)
    )
    messages.success(request.http, f"{made.name} is saved." if is_new else f"{made.name} is replaced.")
    return selectors.address(made)


def _change(request: PageRequest) -> str:
    view = _one(request)
    if not selectors.may_change(view, request.principal):
        raise ForbiddenError("Only its owner changes a view.")
    post = request.http.POST
    fields = ViewFields(
        list=view.list,
        name=post.get("name", "").strip(),
        q=post.get("q", "").strip(),
        sort=view.sort,
        hidden=view.hidden,
        is_shared="shared" in post,
        is_default="default" in post,
    )
    services.save_view(view=view, owner_id=view.owner_id, fields=fields, actor=actor_of(request.http))
    messages.success(request.http, f"{fields.name} is changed.")
    return reverse("views")


def _delete(request: PageRequest) -> str:
    view = _one(request)
    if not selectors.may_delete(view, request.principal):
        raise ForbiddenError("Only its owner deletes a view, and an admin what is shared.")
    services.delete_view(view=view, actor=actor_of(request.http))
    messages.success(request.http, f"{view.name} is deleted.")
    return reverse("views")


def _one(request: PageRequest) -> SavedView:
    number = request.http.POST.get("id", "")
    if not number.isdecimal() or len(number) > 18:
        raise NoViewError("There is no such view.")
    return selectors.get_view(int(number), request.principal)


def _list_of(request: PageRequest) -> str:
    """Where the form was sent from, as it was there."""
    post = request.http.POST
    of = SAVED.get(post.get("list", ""))
    return (
        selectors.address(
            SavedView(
                list=of.name, q=post.get("q", ""), sort=post.get("sort", ""), hidden=post.get("hide", "")
            )
        )
        if of
        else ""
    )


PAGE = Page(
    slug="views",
    title="Views",
    path="views",
    template="dashboard/views.html",
    select=select,
    act=act,
)
