"""An earlier revision becomes the head again, as a new one: what that does is shown first."""

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import editing
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from supervision.trees import selectors
from supervision.trees.documents import stored
from supervision.trees.exceptions import NotFoundError, TreesError
from supervision.trees.services import rollback_tree


def select(request: PageRequest) -> Context:
    name, number = request.params["name"], request.params["number"]
    request.require(Permission.ADMIN, name)
    try:
        tree = selectors.tree_by_name(name)
        target = selectors.revision(name, number)
    except NotFoundError as error:
        raise Http404(str(error)) from error
    head = tree.head.document if tree.head is not None else None
    context = {
        "name": name,
        "number": number,
        "etag": str(tree.version),
        "diff": editing.diff_lines(head, target.document),
        "errors": [],
        "plan": None,
        "preflight": [],
    }
    try:
        return context | editing.plan(stored(target.runs), as_it_ran=True)
    except TreesError as error:
        return context | {"errors": editing.refused(error).errors}
    except editing.RefusedError as error:
        return context | {"errors": error.errors}


def act(request: PageRequest) -> HttpResponse:
    name, number = request.params["name"], request.params["number"]
    request.require(Permission.ADMIN, name)
    try:
        applied = rollback_tree(
            name=name,
            to_number=number,
            message=request.http.POST.get("message", "").strip()[:500],
            actor=actor_of(request.http),
            expected_version=editing.version_of(request.http.POST.get("etag", "")),
        )
    except TreesError as error:
        refusal = editing.refused(error)
        return show(PAGE, request, select(request) | {"errors": refusal.errors}, status=refusal.status)
    messages.success(
        request.http, f"{name} is back at revision {number}, as revision {applied.revision.number}."
    )
    return HttpResponseRedirect(reverse("tree-history", args=[name]), status=303)


PAGE = Page(
    slug="tree-rollback",
    title="Roll back",
    path="trees/<str:name>/rollback/<int:number>",
    template="dashboard/tree_rollback.html",
    select=select,
    act=act,
)
