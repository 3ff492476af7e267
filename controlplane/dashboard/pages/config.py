"""One agent config: edit it, see with every key what is wrong and what would restart, apply it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from agents.configs import selectors
from agents.configs.canaries import OBSERVE_S, why_none_can
from agents.configs.document import config_yaml
from agents.configs.models import AgentConfig
from agents.configs.services import NOTHING_YET, ConfigApplied, put_config, stop_canary
from agents.exceptions import AgentsError
from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import agents
from controlplane.dashboard.editing import RefusedError
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from supervision.trees.exceptions import TreesError


def find(request: PageRequest) -> AgentConfig:
    """Raises Http404."""
    namespace, name = request.params["namespace"], request.params["name"]
    config = selectors.configs().filter(namespace=namespace, name=name).first()
    if config is None:
        raise Http404(f"There is no agent config {namespace}/{name}.")
    return config


def select(request: PageRequest) -> Context:
    request.require(Permission.VIEW)
    config = find(request)
    document = config.head.document if config.head is not None else {}
    return blank(request) | {
        "ref": config.ref,
        "namespace": config.namespace,
        "name": config.name,
        "document": config_yaml(document),
        "etag": config.tag,
        "trees": _trees(config),
        "revision": config.head.number if config.head is not None else None,
        "no_canary": why_none_can(config),
        "trial": agents.canary_of(config, may_stop=request.principal.can(Permission.ADMIN)),
    }


def blank(request: PageRequest) -> Context:
    return {
        "ref": "",
        "namespace": "default",
        "name": "",
        "document": "",
        "etag": NOTHING_YET,
        "trees": [],
        "revision": None,
        "message": "",
        "canary": False,
        "no_canary": "",
        "observe": f"{OBSERVE_S:g}",
        "trial": None,
        "errors": [],
        "diff": None,
        "plan": None,
        "preflight": [],
        "checked": False,
        "can_apply": request.principal.can(Permission.ADMIN),
    }


def _trees(config: AgentConfig) -> list[dict[str, Any]]:
    pins = selectors.trees_naming(config.ref).values_list("name", "head__pins")
    return [
        {"name": name, "revision": found[config.ref]["revision"], "follows": found[config.ref]["follows"]}
        for name, found in pins
    ]


def act(request: PageRequest) -> HttpResponse:
    request.require(Permission.ADMIN)
    config = find(request)
    if request.http.POST.get("do") == "stop":
        return _stop(request, config)
    return submitted(
        PAGE, request, select(request), namespace=config.namespace, name=config.name, config=config
    )


def _stop(request: PageRequest, config: AgentConfig) -> HttpResponse:
    try:
        stop_canary(namespace=config.namespace, name=config.name, actor=actor_of(request.http))
        messages.success(request.http, f"{config.ref} is tried no more; the agent goes back.")
    except (AgentsError, TreesError) as error:
        messages.error(request.http, str(error))
    return HttpResponseRedirect(reverse("config", args=[config.namespace, config.name]), status=303)


def submitted(
    page: Page,
    request: PageRequest,
    context: Context,
    *,
    namespace: str,
    name: str,
    config: AgentConfig | None,
) -> HttpResponse:
    """The form was sent: check, or apply. What was typed is never lost."""
    post = request.http.POST
    context = context | {
        "document": post.get("document", "").replace("\r\n", "\n"),
        "etag": post.get("etag", ""),
        "message": post.get("message", "").strip(),
        "canary": post.get("canary") == "on",
        "observe": post.get("observe", "").strip() or f"{OBSERVE_S:g}",
        "checked": True,
    }
    try:
        document = agents.read(context["document"])
        if post.get("do") != "apply":
            return show(page, request, context | agents.preview(config, document))
        try:
            applied = put_config(
                namespace=namespace,
                name=name,
                document=document,
                message=context["message"][:500],
                actor=actor_of(request.http),
                expected=context["etag"],
                canary=agents.observed_for(context["observe"]) if context["canary"] else None,
                source="page",
            )
        except (AgentsError, TreesError) as error:
            raise agents.refused(error) from error
    except RefusedError as refusal:
        # What is typed is checked all the time: only what was to be applied is refused with a status of its own.
        status = refusal.status if post.get("do") == "apply" else 200
        return show(page, request, context | {"errors": refusal.errors}, status=status)
    messages.success(request.http, told(applied))
    return HttpResponseRedirect(reverse("config", args=[namespace, name]), status=303)


def told(applied: ConfigApplied) -> str:
    """What became of it, for the person who did it."""
    if not applied.changed:
        return "Nothing had changed."
    what = f"Revision {applied.revision.number} of {applied.config.ref}"
    if applied.canary is not None:
        return f"{what} is tried by {applied.canary.key} first."
    moved = [one.tree.name for one in applied.trees if one.changed]
    follow = f" {', '.join(moved)} follow{'s' if len(moved) == 1 else ''}." if moved else ""
    return f"{what} is applied.{follow}"


PAGE = Page(
    slug="config",
    title="Agent config",
    path="configs/<str:namespace>/<str:name>",
    template="dashboard/config.html",
    select=select,
    act=act,
    topics={"procs": {"cols": ["kind", "state", "incarnation", "tree"]}},
    may_open=lambda principal: principal.can(Permission.VIEW),
)
