"""One issue: what was raised and where, in which child, why its events are one, and what people said and did."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import EVERY_TREE, Permission
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from controlplane.dashboard.live.records import seconds
from controlplane.dashboard.pages.errors import issue_row
from supervision.errors.event import ErrorEvent as Report
from supervision.errors.event import Raised
from supervision.errors.exceptions import InvalidFieldError, TooManyToMergeError, UnknownIssueError
from supervision.errors.protocol.reading import read_event
from supervision.errors.store import issues, selectors
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorTag

MOST_FRAMES = 60
MOST_CRUMBS = 40
MOST_VALUES = 8


def select(request: PageRequest) -> Context:
    issue = _issue(request, Permission.VIEW)
    event = selectors.event_of(issue, request.text("event"))
    data: dict[str, Any] = unpacked(event.data) if event else {}
    report = read_event(data)
    hours = selectors.hours_of([issue.pk], now=timezone.now()).get(issue.pk, [])
    return {
        "issue": issue_row(issue)
        | {"release_first": issue.first_release, "resolved_in": issue.resolved_in, "hours": hours},
        "project": issue.project,
        "because": issue.because,
        "event": _event(event, report) if event else None,
        "raised": [_raised(each, index, data) for index, each in reversed(list(enumerate(report.raised)))],
        "crumbs": _crumbs(data),
        "about": _about(data),
        "events": [
            {
                "event_id": each.event_id,
                "at": seconds(each.at),
                "release": each.release,
                "child": each.child,
                "url": f"?event={each.event_id}",
                "is_it": event is not None and each.event_id == event.event_id,
            }
            for each in selectors.events(issue, most=20)
        ],
        "tags": _tags(issue),
        "alike": [issue_row(each) for each in selectors.alike(issue)],
        "merged_into": issue.merged_into.short_id if issue.merged_into else "",
        "activity": [
            {
                "at": seconds(each.at),
                "actor": each.actor,
                "kind": each.kind.replace("_", " "),
                "text": each.text,
            }
            for each in issue.activity.all()[:50]
        ],
        "may_change": request.principal.can(Permission.OPERATE, issue.project.tree or EVERY_TREE),
        "errors": [],
    }


def act(request: PageRequest) -> HttpResponse | Context:
    issue = _issue(request, Permission.OPERATE)
    post, now, actor = request.http.POST, timezone.now(), actor_of(request.http)
    deeds: Mapping[str, Callable[[], object]] = {
        "resolve": lambda: issues.set_status(
            issue=issue, status="resolved", release=post.get("release", "").strip(), now=now, actor=actor
        ),
        "archive": lambda: issues.set_status(issue=issue, status="archived", now=now, actor=actor),
        "open": lambda: issues.set_status(issue=issue, status="ongoing", now=now, actor=actor),
        "comment": lambda: issues.comment(issue=issue, text=post.get("text", ""), now=now, actor=actor),
        "merge": lambda: issues.merge(
            into=issue, others=[_other(request, post.get("other", ""))], now=now, actor=actor
        ),
    }
    deed = deeds.get(post.get("do", ""))
    if deed is None:
        raise Http404("There is no such action.")
    try:
        deed()
    except (InvalidFieldError, TooManyToMergeError, UnknownIssueError) as error:
        return show(PAGE, request, {**select(request), "errors": [str(error)]}, status=400)
    messages.success(request.http, "Done.")
    return HttpResponseRedirect(reverse("error-issue", args=[issue.short_id]))


def _issue(request: PageRequest, permission: Permission) -> ErrorIssue:
    return _find(request, str(request.params["short_id"]), permission)


def _other(request: PageRequest, short_id: str) -> ErrorIssue:
    try:
        return _find(request, short_id.strip(), Permission.OPERATE)
    except Http404 as error:
        raise UnknownIssueError(str(error)) from error


def _find(request: PageRequest, short_id: str, permission: Permission) -> ErrorIssue:
    try:
        issue = issues.find_issue(short_id)
    except UnknownIssueError as error:
        raise Http404(str(error)) from error
    request.require(permission, issue.project.tree or EVERY_TREE)
    return issue


def _event(event: ErrorEvent, report: Report) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "at": seconds(event.at),
        "level": event.level,
        "environment": event.environment,
        "release": event.release,
        "transaction": event.transaction,
        "server_name": report.server_name,
        "user": event.user,
        "child": event.child,
        "incarnation": event.incarnation,
        "message": report.message,
    }


def _raised(raised: Raised, index: int, data: Mapping[str, Any]) -> dict[str, Any]:
    counted = {tuple(each) for each in data.get("grouping", {}).get("frames", []) if isinstance(each, list)}
    raw = _raw_frames(data, index)
    frames = [
        {
            "module": frame.module or frame.path,
            "function": frame.function,
            "line": frame.line,
            "context": frame.context_line.strip(),
            "own": frame.in_app,
            "counts": (index, frame.number) in counted,
            "vars": sorted((str(name), _shown(value)) for name, value in _vars(raw, frame.number).items())[
                :30
            ],
        }
        for frame in reversed(raised.frames[-MOST_FRAMES:])
    ]
    return {"type": raised.type, "value": raised.value, "handled": raised.handled, "frames": frames}


def _raw_frames(data: Mapping[str, Any], index: int) -> list[Any]:
    exception = data.get("exception")
    values = exception.get("values") if isinstance(exception, dict) else exception
    if not isinstance(values, list) or index >= len(values) or not isinstance(values[index], dict):
        return []
    stack = values[index].get("stacktrace")
    frames = stack.get("frames") if isinstance(stack, dict) else None
    return frames if isinstance(frames, list) else []


def _vars(raw: list[Any], number: int) -> dict[str, Any]:
    found = raw[number].get("vars") if number < len(raw) and isinstance(raw[number], dict) else None
    return found if isinstance(found, dict) else {}


def _shown(value: Any) -> str:
    return (value if isinstance(value, str) else repr(value))[:300]


def _crumbs(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    given = data.get("breadcrumbs")
    values = given.get("values") if isinstance(given, dict) else given
    return [
        {
            "category": str(each.get("category") or each.get("type") or ""),
            "message": str(each.get("message") or each.get("data") or "")[:300],
            "level": str(each.get("level") or "info"),
        }
        for each in (values if isinstance(values, list) else [])[-MOST_CRUMBS:]
        if isinstance(each, dict)
    ]


def _about(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Request, runtime and extra, in lines."""
    lines: list[tuple[str, str]] = []
    request = data.get("request")
    if isinstance(request, dict):
        lines.append(("request", f"{request.get('method', '')} {request.get('url', '')}".strip()[:500]))
    contexts = data.get("contexts")
    for name, context in (contexts if isinstance(contexts, dict) else {}).items():
        if isinstance(context, dict) and name in ("runtime", "os", "device", "browser"):
            lines.append(
                (
                    str(name),
                    " ".join(str(context[key]) for key in ("name", "version") if key in context)[:200],
                )
            )
    extra = data.get("extra")
    lines += [
        (str(name)[:80], _shown(value)) for name, value in (extra if isinstance(extra, dict) else {}).items()
    ][:30]
    return lines


def _tags(issue: ErrorIssue) -> list[dict[str, Any]]:
    found: dict[str, list[ErrorTag]] = {}
    for tag in issue.tags.order_by("key", "-count")[:500]:
        found.setdefault(tag.key, []).append(tag)
    return [
        {
            "key": key,
            "values": [{"value": tag.value, "count": tag.count} for tag in tags[:MOST_VALUES]],
            "more": max(0, len(tags) - MOST_VALUES),
        }
        for key, tags in found.items()
    ]


PAGE = Page(
    slug="error-issue",
    title="Error",
    path="errors/<str:short_id>",
    template="dashboard/error_issue.html",
    select=select,
    act=act,
)
