"""The confirmation before an action: what it takes down, why it is asked for; then the order itself."""

import re
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import tree_of
from controlplane.dashboard.actions import ACTIONS, Action, blast
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from supervision.alerts import selectors as alerts
from supervision.alerts.exceptions import NotFound as NoAlertError
from supervision.alerts.models import Alert
from supervision.alerts.services import acknowledge_alert, resolve_alert
from supervision.exceptions import SupervisionError
from supervision.fleet import services as fleet
from supervision.trees.commands import request_command

SIGNALS = ("HUP", "USR1", "USR2", "TERM", "INT", "QUIT", "KILL")
DURATION = re.compile(r"(\d{1,5})([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_HOLD_S = 30 * 86400
MAX_REASON = 500


class _WrongFieldError(Exception):
    """A field of the form cannot be meant; the message says which and why."""


def select(request: PageRequest) -> Context:
    return context(request, action_of(request), node_of(request))


def context(
    request: PageRequest, action: Action, node: str, *, errors: list[dict[str, str]] | None = None
) -> Context:
    key = request.params["key"]
    rows: list[dict[str, Any]] = []
    if action.target == "child":
        tree = tree_of(key)
        rows = [
            row
            for row in request.reading.hub.rows("tree", request.visible)
            if row["tree"] == tree and node in ("", row["node"])
        ]
        if not any(row["key"] == key for row in rows):
            raise Http404(f"No node has {key}.")
    return {
        "verb": action.verb,
        "key": key,
        "node": node,
        "label": action.label,
        "danger": action.danger,
        "question": action.question.format(key=_name(request, action)),
        "blast": blast(action, key, rows),
        "needs_reason": action.needs_reason,
        "reason": request.http.POST.get("reason", ""),
        "errors": errors or [],
        "back_url": back_url(action, key, node),
    }


def action_of(request: PageRequest) -> Action:
    """The action, when it is one and the viewer may."""
    action = ACTIONS.get(request.params["verb"])
    if action is None:
        raise Http404("There is no such action.")
    request.require(action.permission, _tree(request, action))
    return action


def _tree(request: PageRequest, action: Action) -> str:
    """What the right is asked on; "" for what belongs to no tree."""
    if action.target == "alert":
        return str(_alert(request).tree)
    return tree_of(request.params["key"]) if action.target == "child" else ""


def _alert(request: PageRequest) -> Alert:
    try:
        return alerts.get_alert(_number(request.params["key"]), trees=request.visible)
    except (NoAlertError, _WrongFieldError):
        raise Http404("There is no such alert.") from None


def node_of(request: PageRequest) -> str:
    return (request.http.POST.get("node") or request.text("node"))[:64]


def _name(request: PageRequest, action: Action) -> str:
    key = str(request.params["key"])
    if action.target == "node":
        known = request.reading.hub.fleet.node_facts.get(key)
        if known is None:
            raise Http404("There is no such node.")
        return str(known["host"])
    return _alert(request).title if action.target == "alert" else key


def back_url(action: Action, key: str, node: str) -> str:
    if action.target == "alert":
        return reverse("alerts")
    if action.target != "child":
        return reverse("nodes")
    return reverse("process", args=[key]) + (f"?{urlencode({'node': node})}" if node else "")


def act(request: PageRequest) -> HttpResponse:
    action, node = action_of(request), node_of(request)
    try:
        command = _order(request, action, node)
    except (_WrongFieldError, SupervisionError) as error:
        page = context(request, action, node, errors=[{"detail": str(error)}])
        return show(PAGE, request, page, status=409 if isinstance(error, SupervisionError) else 400)
    target = back_url(action, request.params["key"], node)
    if command:
        target += ("&" if "?" in target else "?") + urlencode({"command": command})
    return HttpResponseRedirect(target, status=303)


def _order(request: PageRequest, action: Action, node: str) -> str:
    """Ask for it; the command's id, empty where it is done at once."""
    key, post = str(request.params["key"]), request.http.POST
    reason = post.get("reason", "").strip()
    if len(reason) > MAX_REASON:
        raise _WrongFieldError(f"The reason has at most {MAX_REASON} characters.")
    if action.needs_reason and not reason:
        raise _WrongFieldError("A reason is needed.")
    actor = actor_of(request.http)
    if action.target == "alert":
        settle = acknowledge_alert if action.verb == "acknowledge" else resolve_alert
        settle(alert_id=_number(key), actor=actor, reason=reason, now=timezone.now())
        return ""
    if action.verb in ("drain", "undrain"):
        change = fleet.drain_node if action.verb == "drain" else fleet.undrain_node
        change(node_id=key, actor=actor, reason=reason)
        return ""
    args: dict[str, Any] = {}
    if action.verb == "hold":
        args["seconds"] = _hold_s(post.get("for", "1h"))
    elif action.verb == "signal":
        args["signal"] = _signal(post.get("signal", ""))
    elif action.verb == "end_stray":
        args["pid"], key = _number(key), ""
    commands = request_command(
        verb=action.verb, key=key, node_id=node or None, args=args, actor=actor, reason=reason
    )
    return str(commands[0].id)


def _hold_s(text: str) -> float:
    found = DURATION.fullmatch(text.strip())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0
    if not 0 < seconds <= MAX_HOLD_S:
        raise _WrongFieldError("How long: a duration like 10m, 1h or 7d, 30d at most.")
    return float(seconds)


def _signal(name: str) -> str:
    if name not in SIGNALS:
        raise _WrongFieldError(f"The signal is one of {', '.join(SIGNALS)}.")
    return name


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise _WrongFieldError("This is no number.")
    return int(text)


PAGE = Page(
    slug="act",
    title="Confirm",
    path="act/<slug:verb>/<path:key>",
    template="dashboard/act.html",
    select=select,
    act=act,
)
