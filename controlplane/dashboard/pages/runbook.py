"""A runbook of docs/runbooks, as a page: what an alert means and what to do, one click from the alert."""

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from django.http import Http404
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from controlplane.dashboard.framework import Context, Page, PageRequest

if TYPE_CHECKING:
    from markdown_it.token import Token

RUNBOOKS = Path(__file__).resolve().parents[3] / "docs" / "runbooks"
NAME = re.compile(r"[A-Za-z-]{1,63}")
SIBLING = re.compile(r"([A-Za-z-]+)\.md(#[\w-]+)?")


def select(request: PageRequest) -> Context:
    name = str(request.params["name"])
    title, body = read(name)
    return {"runbook_title": title, "body": body, "is_index": name == "README"}


@lru_cache(maxsize=64)
def read(name: str) -> tuple[str, SafeString]:
    """Title and HTML. The files are ours, and are rendered without HTML of their own. Raises Http404."""
    path = RUNBOOKS / f"{name}.md"
    if not NAME.fullmatch(name) or not path.is_file():
        raise Http404("There is no such runbook.")
    from markdown_it import MarkdownIt  # not with the first page of any kind

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(path.read_text())
    title = tokens[1].content if tokens and tokens[0].type == "heading_open" else name
    for token in tokens:
        _point_here(token.children or [])
    body = parser.renderer.render(tokens[3:] if title != name else tokens, parser.options, {})
    return title, mark_safe(body)  # noqa: S308 markdown-it escapes what it is given: html is off


def _point_here(tokens: "list[Token]") -> None:
    """Links between runbooks stay on these pages; one to another file of docs/ becomes its name."""
    for token in tokens:
        href = str(token.attrs.get("href", ""))
        sibling = SIBLING.fullmatch(href)
        if sibling:
            token.attrs["href"] = reverse("runbook", args=[sibling[1]]) + (sibling[2] or "")
        elif token.type == "link_open" and not href.startswith("https://"):
            token.attrs["href"] = reverse("runbook", args=["README"])


PAGE = Page(
    slug="runbook",
    title="Runbook",
    path="runbooks/<slug:name>",
    template="dashboard/runbook.html",
    select=select,
)
