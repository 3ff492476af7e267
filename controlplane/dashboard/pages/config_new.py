"""A new agent config: its name, and an editor with a beginning."""

from django.http import HttpResponse

from agents.configs import selectors
from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.pages.config import blank, submitted

BEGINNING = """entry_point: package.module:Class
arguments: {}
restart: permanent
heartbeat: 10s
checkpoint:
  keep: 3
"""


def select(request: PageRequest) -> Context:
    return blank(request) | {"document": BEGINNING}


def act(request: PageRequest) -> HttpResponse:
    request.require(Permission.ADMIN)
    post = request.http.POST
    namespace, name = post.get("namespace", "").strip(), post.get("name", "").strip()
    context = blank(request) | {"namespace": namespace, "name": name}
    config = selectors.configs().filter(namespace=namespace, name=name).first()
    return submitted(PAGE, request, context, namespace=namespace, name=name, config=config)


PAGE = Page(
    slug="config-new",
    title="New agent config",
    path="configs/new",
    template="dashboard/config.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can(Permission.ADMIN),
)
