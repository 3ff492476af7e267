"""The confirmation before an action: what it takes down, why it is asked for; then the order itself."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from controlplane.access.actors import actor_of
from controlplane.access.policy import tree_of
from controlplane.api.foreseeing import Question, foresee_key
from controlplane.dashboard.actions import ACTIONS, MEANS, Action
from controlplane.dashboard.foresight import LABELS, shown
from controlplane.dashboard.framework import Context, Page, PageRequest, show
from supervision.alerts import selectors as alerts
from supervision.alerts.exceptions import NotFound as NoAlertError
from supervision.alerts.models import Alert, Silence
from supervision.alerts.services import acknowledge_alert, resolve_alert
from supervision.alerts.silences import end_silence, silence_alerts
from supervision.exceptions import SupervisionError
from supervision.fleet import services as fleet
from supervision.trees.commands import request_command

SIGNALS = ("HUP", "USR1", "USR2", "TERM", "INT", "QUIT", "KILL")
DURATION = re.compile(r"(\d{1,5})([smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
MAX_HOLD_S = 30 * 86400
MAX_REASON = 500
MAX_KEY = 2300


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
        "means": MEANS.get(action.verb, ""),
        "foreseen": foreseen(action, key, node),
        "tree_url": tree_url(action, key),
        "facts": _facts(request) if action.target == "alert" else {},
        "needs_reason": action.needs_reason,
        "reason": request.http.POST.get("reason", ""),
        "errors": errors or [],
        "back_url": back_url(action, key, node),
    }


def foreseen(action: Action, key: str, node: str) -> list[dict[str, Any]]:
    """What would follow from it on each node, from the kernel itself."""
    if not action.is_foreseen:
        return []
    answers = foresee_key(Question(action.verb, key), node=node or None, now=timezone.now())
    return [shown(answer) for answer in answers]


def tree_url(action: Action, key: str) -> str:
    """The same on the page Tree, where it can be."""
    if action.verb not in dict(LABELS):
        return ""
    return f"{reverse('tree')}?{urlencode({'if': action.verb, 'key': key})}"


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
    if action.target == "silence":
        return str(_silence(request).tree)
    return tree_of(request.params["key"]) if action.target == "child" else ""


def _alert(request: PageRequest) -> Alert:
    try:
        return alerts.get_alert(_number(request.params["key"]), trees=request.visible)
    except (NoAlertError, _WrongFieldError):
        raise Http404("There is no such alert.") from None


def _facts(request: PageRequest) -> dict[str, str]:
    """What a silence of it names."""
    alert = _alert(request)
    return {"kind": alert.kind, "subject": alert.subject, "tree": alert.tree}


def _silence(request: PageRequest) -> Silence:
    """One that has not ended. Whoever may not see its tree does not learn that there is one."""
    try:
        found = Silence.objects.filter(pk=_number(request.params["key"]), until__gt=timezone.now()).first()
    except _WrongFieldError:
        found = None
    if found is None or (request.visible is not None and found.tree not in request.visible):
        raise Http404("There is no such silence, or it has ended.")
    return found


def node_of(request: PageRequest) -> str:
    return (request.http.POST.get("node") or request.text("node"))[:64]


def _name(request: PageRequest, action: Action) -> str:
    key = str(request.params["key"])
    if action.target == "node":
        known = request.reading.hub.fleet.node_facts.get(key)
        if known is None:
            raise Http404("There is no such node.")
        return str(known["host"])
    if action.target == "silence":
        return str(_silence(request))
    return _alert(request).title if action.target == "alert" else key


def back_url(action: Action, key: str, node: str) -> str:
    if action.target == "fleet":
        return reverse("tree")
    if action.target in ("alert", "silence"):
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
    if action.verb == "end_silence":
        end_silence(silence_id=_number(key), actor=actor, now=timezone.now())
        return ""
    if action.verb == "silence":
        alert = _alert(request)
        until = timezone.now() + timedelta(seconds=_hold_s(post.get("for", "1h")))
        silence_alerts(
            kind=alert.kind, subject=alert.subject, tree=alert.tree, until=until, reason=reason, actor=actor
        )
        return ""
    if action.target == "alert":
        settle = acknowledge_alert if action.verb == "acknowledge" else resolve_alert
        settle(alert_id=_number(key), actor=actor, reason=reason, now=timezone.now())
        return ""
    if action.verb in ("drain", "undrain"):
        change = fleet.drain_node if action.verb == "drain" else fleet.undrain_node
        change(node_id=key, actor=actor, reason=reason)
        return ""
    args: dict[str, Any] = {}
    if action.verb in ("hold", "hold_all"):
        args["seconds"] = _hold_s(post.get("for", "1h"))
    elif action.verb == "signal":
        args["signal"] = _signal(post.get("signal", ""))
    elif action.verb == "end_stray":
        args["pid"], key = _number(key), ""
    elif action.verb == "adopt_stray":
        args["pid"], key = _number(key), _owner(post.get("owner", ""))
    if action.target == "fleet":
        key = ""
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


def _owner(text: str) -> str:
    owner = text.strip()
    if not owner or len(owner) > MAX_KEY or "/" not in owner:
        raise _WrongFieldError("Whose it is: the key of a child, such as shop/web.")
    return owner


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
