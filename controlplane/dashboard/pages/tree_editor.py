"""One tree's document: edit, see what would happen, apply."""

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import editing
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from supervision.trees import selectors
from supervision.trees.exceptions import TreesError
from supervision.trees.services import apply_tree


def select(request: PageRequest) -> Context:
    name = request.params["name"]
    request.require(Permission.VIEW, name)
    tree = editing.tree_or_none(name)
    if tree is None or tree.head is None:
        raise Http404(f"There is no tree {name}.")
    return {
        "name": name,
        "document": selectors.yaml_of(tree.head.document),
        "etag": str(tree.version),
        "message": "",
        "errors": [],
        "plan": None,
        "preflight": [],
        "can_apply": request.principal.can(Permission.ADMIN, name),
    }


def act(request: PageRequest) -> HttpResponse:
    name = request.params["name"]
    request.require(Permission.ADMIN, name)
    return submitted(PAGE, request, name=name)


def submitted(page: Page, request: PageRequest, *, name: str | None) -> HttpResponse:
    """The form was sent: plan, or apply. What was typed is never lost."""
    post = request.http.POST
    context: Context = {
        "name": name or "",
        "document": post.get("document", "").replace("\r\n", "\n"),
        "etag": post.get("etag", ""),
        "message": post.get("message", "").strip(),
        "errors": [],
        "plan": None,
        "preflight": [],
        "can_apply": True,
    }
    try:
        document = editing.read(context["document"], name=name)
        request.require(Permission.ADMIN, document.name)
        if post.get("do") != "apply":
            return show(page, request, context | editing.plan(document))
        try:
            applied = apply_tree(
                document=document,
                message=context["message"][:500],
                actor=actor_of(request.http),
                expected_version=0 if name is None else editing.version_of(context["etag"]),
                source="page",
            )
        except TreesError as error:
            raise editing.refused(error) from error
    except editing.RefusedError as refusal:
        return show(page, request, context | {"errors": refusal.errors}, status=refusal.status)
    number = applied.revision.number
    words = f"Revision {number} of {document.name} is applied." if applied.changed else "Nothing had changed."
    messages.success(request.http, words)
    return HttpResponseRedirect(reverse("tree-editor", args=[document.name]), status=303)


PAGE = Page(
    slug="tree-editor",
    title="Tree",
    path="trees/<str:name>",
    template="dashboard/tree_editor.html",
    select=select,
    act=act,
)
