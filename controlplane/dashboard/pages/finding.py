"""One finding: its source, how long it has been there, who looks after it, and what would close it."""

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.pages.findings import finding_row
from supervision.auditruns.exceptions import AuditRunsError
from supervision.auditruns.findings import change_finding
from supervision.auditruns.models import AuditFinding, AuditTest


def select(request: PageRequest) -> Context:
    finding = _finding(request, Permission.VIEW)
    tree = finding.project.tree or EVERY_TREE
    test = (
        AuditTest.objects.filter(project=finding.project, name=finding.test).first() if finding.test else None
    )
    return {
        "finding": finding_row(finding)
        | {
            "fix": finding.fix,
            "confidence": finding.confidence,
            "tool": finding.tool,
            "fingerprint": finding.fingerprint,
            "last_at": seconds(finding.last_at),
            "first_run": finding.first_run,
            "last_run": finding.last_run,
            "is_reported": finding.is_reported,
            "closed_at": seconds(finding.closed_at),
            "closed_by": finding.closed_by,
            "test": finding.test,
            "wont_fix_reason": finding.wont_fix_reason
            if finding.state == AuditFinding.State.WONT_FIX
            else "",
            "wont_fix_until": finding.wont_fix_until,
            "wont_fix_by": finding.wont_fix_by,
        },
        "is_closed": finding.state == AuditFinding.State.CLOSED,
        "is_left": finding.state == AuditFinding.State.WONT_FIX,
        "source": source_of(finding),
        "test": {"outcome": test.outcome, "at": seconds(test.at), "message": test.message} if test else None,
        "episodes": [
            {"from_run": episode.from_run, "to_run": episode.to_run}
            for episode in finding.episodes.all()[:50]
        ],
        "project_url": reverse("audit-project", args=[finding.project.name]),
        "may_change": request.principal.can(Permission.OPERATE, tree),
        "errors": [],
        "soonest": timezone.now().date() + dt.timedelta(days=1),
        "latest": timezone.now().date() + dt.timedelta(days=366),
    }


def source_of(finding: AuditFinding) -> list[dict[str, Any]]:
    """The lines around it, as the newest report brought them; none where it brought none."""
    first = int(finding.context.get("line", 1))
    lines = finding.context.get("lines", [])
    return [
        {"number": number, "text": text, "is_it": number == finding.line}
        for number, text in enumerate(lines, start=first)
    ]


def act(request: PageRequest) -> HttpResponse:
    finding = _finding(request, Permission.OPERATE)
    try:
        change_finding(
            finding_id=finding.pk, fields=_fields(request), actor=actor_of(request.http), now=timezone.now()
        )
    except AuditRunsError as error:
        return show(PAGE, request, select(request) | {"errors": [str(error)]}, status=400)
    messages.success(request.http, "Written down.")
    return HttpResponseRedirect(reverse("finding", args=[finding.pk]), status=303)


def _fields(request: PageRequest) -> dict[str, Any]:
    post = request.http.POST
    match post.get("do"):
        case "owner":
            return {"owner": post.get("owner", "").strip()}
        case "test":
            return {"test": post.get("test", "").strip()}
        case "fix":
            return {"wont_fix": None}
        case "leave":
            try:
                until = dt.date.fromisoformat(post.get("until", ""))
            except ValueError:
                raise AuditRunsError("A day such as 2027-01-31 is needed.") from None
            return {"wont_fix": {"reason": post.get("reason", ""), "until": until}}
    raise Http404("There is no such form.")


def _finding(request: PageRequest, permission: Permission) -> AuditFinding:
    number = request.params["id"]
    finding = AuditFinding.objects.select_related("project").filter(pk=number).first()
    if finding is None:
        raise Http404(f"There is no finding {number}.")
    request.require(permission, finding.project.tree or EVERY_TREE)
    return finding


PAGE = Page(
    slug="finding",
    title="Finding",
    path="findings/<int:id>",
    template="dashboard/finding.html",
    select=select,
    act=act,
)
