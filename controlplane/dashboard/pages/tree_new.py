"""A new tree: an empty editor."""

from django.http import HttpResponse

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.pages.tree_editor import submitted

BEGINNING = """version: 1
tree: mine
supervisor:
  strategy: one_for_one
  children:
  - id: ticker
    process:
      command: [/bin/sh, -c, "while :; do date; sleep 1; done"]
"""


def select(request: PageRequest) -> Context:
    return {
        "name": "",
        "document": BEGINNING,
        "etag": "0",
        "message": "",
        "errors": [],
        "plan": None,
        "preflight": [],
        "can_apply": True,
    }


def act(request: PageRequest) -> HttpResponse:
    return submitted(PAGE, request, name=None)


PAGE = Page(
    slug="tree-new",
    title="New tree",
    path="trees/new",
    template="dashboard/tree_editor.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can_somewhere(Permission.ADMIN),
)
