"""A tree's revisions, and the difference of two."""

from django.http import Http404

from controlplane.access.policy import Permission
from controlplane.dashboard.editing import diff_lines
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from supervision.trees.models import Tree, TreeRevision

MOST = 200


def select(request: PageRequest) -> Context:
    name = request.params["name"]
    request.require(Permission.VIEW, name)
    tree = Tree.objects.filter(name=name).first()
    if tree is None:
        raise Http404(f"There is no tree {name}.")
    revisions = list(
        TreeRevision.objects.filter(tree=tree).defer("document", "resolved").order_by("-number")[:MOST]
    )
    numbers = [revision.number for revision in revisions]
    to_number = _number(request.text("to"), numbers[0] if numbers else None)
    before = next((number for number in numbers if to_number is not None and number < to_number), None)
    from_number = _number(request.text("from"), before)
    documents = dict(
        TreeRevision.objects.filter(tree=tree, number__in=[from_number or 0, to_number or 0]).values_list(
            "number", "document"
        )
    )
    return {
        "name": name,
        "revisions": [
            {
                "number": revision.number,
                "message": revision.message,
                "author": revision.author,
                "at": seconds(revision.created_at),
                "source": revision.source,
                "is_head": revision.pk == tree.head_id and tree.deleted_at is None,
            }
            for revision in revisions
        ],
        "from_number": from_number,
        "to_number": to_number,
        "diff": diff_lines(documents.get(from_number or 0), documents[to_number])
        if to_number in documents
        else None,
    }


def _number(text: str, default: int | None) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else default


PAGE = Page(
    slug="tree-history",
    title="History",
    path="trees/<str:name>/history",
    template="dashboard/tree_history.html",
    select=select,
)
