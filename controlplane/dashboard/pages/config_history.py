"""An agent config's revisions, the difference of two, and the way back to one."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

from agents.configs.canaries import CanaryOptions, why_none_can
from agents.configs.document import ConfigDocument, config_diff
from agents.configs.models import AgentConfigRevision
from agents.configs.services import rollback_config
from agents.exceptions import AgentsError
from controlplane.access.actors import actor_of
from controlplane.access.policy import Permission
from controlplane.dashboard import agents
from controlplane.dashboard.editing import RefusedError
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.pages.config import find, told
from supervision.trees.exceptions import TreesError

MOST = 200


def select(request: PageRequest) -> Context:
    config = find(request)
    revisions = list(
        AgentConfigRevision.objects.filter(config=config).defer("document").order_by("-number")[:MOST]
    )
    newest = config.head.number if config.head is not None else 0
    to_number = _number(request.text("to"), newest)
    from_number = _number(request.text("from"), max(0, to_number - 1))
    documents = dict(
        AgentConfigRevision.objects.filter(config=config, number__in=[from_number, to_number]).values_list(
            "number", "document"
        )
    )
    tried = dict(config.canaries.order_by("id").values_list("revision__number", "state"))
    context: Context = {
        "ref": config.ref,
        "namespace": config.namespace,
        "name": config.name,
        "etag": config.tag,
        "revisions": [
            {
                "number": one.number,
                "kind": one.kind,
                "message": one.message,
                "author": one.author,
                "source": one.source,
                "at": seconds(one.created_at),
                "is_head": one.pk == config.head_id,
                "tried": tried.get(one.number, ""),
            }
            for one in revisions
        ],
        "from_number": from_number or None,
        "to_number": to_number,
        "diff": agents.lines_of(config_diff(documents.get(from_number), documents[to_number]))
        if to_number in documents
        else None,
        "back": None,
        "plan": None,
        "preflight": [],
        "errors": [],
        "may_edit": request.principal.can(Permission.ADMIN),
    }
    back = _number(request.text("back"), 0)
    if back and back in {one.number for one in revisions} and context["may_edit"]:
        target = AgentConfigRevision.objects.get(config=config, number=back)
        try:
            plan = agents.preview(config, ConfigDocument(target.document))
            context |= {"back": back, "no_canary": why_none_can(config), **plan}
        except RefusedError as error:
            context |= {"back": back, "errors": error.errors}
    return context


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else default


def act(request: PageRequest) -> HttpResponse:
    """Back to an earlier revision, as a new one."""
    request.require(Permission.ADMIN)
    config = find(request)
    post = request.http.POST
    try:
        applied = rollback_config(
            namespace=config.namespace,
            name=config.name,
            to_number=_number(post.get("to", ""), 0),
            message=post.get("message", "").strip()[:500],
            actor=actor_of(request.http),
            expected=post.get("etag", ""),
            canary=CanaryOptions() if post.get("canary") == "on" else None,
        )
    except (AgentsError, TreesError) as error:
        refusal = agents.refused(error)
        return show(PAGE, request, select(request) | {"errors": refusal.errors}, status=refusal.status)
    back = f"{config.ref} is back at revision {post.get('to')}, as revision {applied.revision.number}."
    messages.success(request.http, back if applied.canary is None else told(applied))
    return HttpResponseRedirect(reverse("config-history", args=[config.namespace, config.name]), status=303)


PAGE = Page(
    slug="config-history",
    title="History",
    path="configs/<str:namespace>/<str:name>/history",
    template="dashboard/config_history.html",
    select=select,
    act=act,
    may_open=lambda principal: principal.can(Permission.VIEW),
)
