"""One agent kind: its schema, and with every key that is typed which configs would become invalid."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from agents.configs.kinds import Fitting, fitting, put_kind
from agents.configs.models import AgentKind
from agents.exceptions import AgentsError
from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import agents
from controlplane.dashboard.editing import RefusedError
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from supervision.trees.treefile import TreeFileErrors, read_tree_text, yaml_text

BEGINNING = """type: object
properties:
  depth: {type: integer, minimum: 1}
additionalProperties: false
"""


def select(request: PageRequest) -> Context:
    request.require(Permission.VIEW)
    name = request.params.get("name", "")
    kind = AgentKind.objects.filter(name=name).first() if name else None
    return {
        "name": name,
        "is_new": kind is None,
        "document": yaml_text(kind.schema) if kind is not None else BEGINNING,
        "description": kind.description if kind is not None else "",
        "etag": kind.version if kind is not None else 0,
        "errors": [],
        "checked": False,
        "fits": _shown(fitting(name, kind.schema)) if kind is not None else None,
        "can_apply": request.principal.can(Permission.ADMIN),
    }


def _shown(found: Fitting) -> list[dict[str, Any]]:
    return [{"config": one.config, "faults": list(one.faults)} for one in found.fits]


def act(request: PageRequest) -> HttpResponse:
    """Check, or declare. What was typed is never lost."""
    request.require(Permission.ADMIN)
    post = request.http.POST
    context = select(request) | {
        "document": post.get("document", "").replace("\r\n", "\n"),
        "description": post.get("description", "").strip()[:2000],
        "etag": post.get("etag", ""),
        "checked": True,
    }
    name = request.params["name"]
    is_applied = post.get("do") == "apply"
    try:
        schema = _read(context["document"])
        try:
            context["fits"] = _shown(fitting(name, schema))
            if not is_applied:
                return show(PAGE, request, context)
            version = context["etag"]
            kind = put_kind(
                name=name,
                schema=schema,
                description=context["description"],
                actor=actor_of(request.http),
                expected=int(version) if version.isdecimal() and len(version) < 19 else -1,
            )
        except AgentsError as error:
            raise agents.refused(error) from error
    except RefusedError as refusal:
        status = refusal.status if is_applied else 200
        return show(PAGE, request, context | {"errors": refusal.errors}, status=status)
    messages.success(request.http, f"The kind {name} is declared, version {kind.version}.")
    return HttpResponseRedirect(reverse("kind", args=[name]), status=303)


def _read(text: str) -> object:
    """Raises RefusedError with lines."""
    if len(text) > agents.MAX_CONFIG:
        raise RefusedError([{"detail": "The schema has more than 1 MiB."}], 413)
    try:
        return read_tree_text(text, name="schema", base="/").text.value
    except TreeFileErrors as errors:
        raise RefusedError(
            [{"pointer": each.pointer, "detail": each.message, "line": each.line} for each in errors.problems]
        ) from errors


PAGE = Page(
    slug="kind",
    title="Agent kind",
    path="kinds/<str:name>",
    template="dashboard/kind.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can(Permission.VIEW),
)
