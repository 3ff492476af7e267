"""Processes: every child that is no supervisor, filtered and sorted."""

from django.urls import reverse

from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.lists import listing
from controlplane.dashboard.live.topics import PROCS as COLUMNS
from controlplane.filters.fields import PROCS

TITLES = {
    "node": "Node", "pid": "Pid", "uptime": "For", "cpu": "CPU", "rss": "Memory", "restarts": "Restarts",
    "exit": "Last exit",
}  # fmt: skip
"""Of the columns that need not be shown."""


def select(request: PageRequest) -> Context:
    found = listing(
        request.reading.hub.views("procs", request.visible),
        fields=PROCS,
        q=request.text("q"),
        sort=request.text("sort"),
        page=request.text("page"),
        now=request.now,
        columns=COLUMNS,
        default="key",
    )
    for row in found.rows:
        row["url"] = f"{reverse('process', args=[row['key']])}?node={row['node']}"
    hidden = request.kept.hidden if request.kept else ()
    columns = [{"name": name, "title": title, "is_hidden": name in hidden} for name, title in TITLES.items()]
    return found.context() | {"bulk_url": reverse("api:commands"), "columns": columns}


PAGE = Page(
    slug="processes",
    has_past=True,
    title="Processes",
    path="processes",
    template="dashboard/processes.html",
    select=select,
    g_key="p",
    order=30,
    topics={"procs": {}},
    lists=("procs",),
    sparks=True,
)
