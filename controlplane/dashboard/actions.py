"""What an operator can do to a child, node or stray: the words, who may, and what it takes down. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.access.policy import Permission
from supervision.explain.words import count
from supervision.kernel.blast import Member, blast_radius


@dataclass(frozen=True, slots=True)
class Action:
    """label: on the button; question: above it. deed: what blast.py is asked; "" where nothing goes down.

    states: in which it makes sense, empty for all; target: what the key names.
    """

    verb: str
    label: str
    question: str
    danger: bool = False
    deed: str = ""
    needs_reason: bool = False
    permission: Permission = Permission.OPERATE
    target: str = "child"
    not_states: frozenset[str] = frozenset()


DOWN = frozenset({"stopped", "completed", "failed", "lost", "waiting", "backoff", "held"})
UP = frozenset({"running", "starting"})

ACTIONS = {
    action.verb: action
    for action in (
        Action("start", "Start", "Start {key}?", not_states=UP),
        Action("restart", "Restart", "Restart {key}?", danger=True, deed="restart", not_states=DOWN),
        Action("stop", "Stop", "Stop {key}?", danger=True, deed="stop", not_states=frozenset({"stopped"})),
        Action("hold", "Hold", "Suspend restarts of {key}?"),
        Action("release", "Release", "Release {key}?"),
        Action("signal", "Signal", "Send a signal to {key}?", danger=True, deed="exit"),
        Action("reload", "Reload", "Ask {key} to read its configuration again?"),
        Action(
            "end_stray", "End", "End the process with pid {key}?", danger=True, target="stray"
        ),
        Action(
            "drain", "Drain", "Move everything away from node {key}?", danger=True,
            permission=Permission.ADMIN, target="node",
        ),
        Action("acknowledge", "Acknowledge", "Look after this: {key}?", target="alert"),
        Action("resolve", "Resolve", "Is this over: {key}?", target="alert"),
        Action(
            "undrain", "Take work again", "Let node {key} take work again?",
            permission=Permission.ADMIN, target="node",
        ),
    )
}  # fmt: skip

OFFERED = ("start", "restart", "reload", "stop", "hold", "release", "signal")
"""On a process's page, in this order."""

WHY = {
    "itself": "this one",
    "below": "below it",
    "one_for_all": "its supervisor restarts all together",
    "rest_for_one": "its supervisor restarts what was started after it",
}


def offered(member: Mapping[str, Any]) -> list[Action]:
    """What makes sense for the member as it is."""
    held = member["held"]
    found = []
    for verb in OFFERED:
        action = ACTIONS[verb]
        if member["state"] in action.not_states:
            continue
        if (verb == "hold" and held) or (verb == "release" and not held):
            continue
        if verb in ("signal", "reload") and (member["is_supervisor"] or member["pid"] is None):
            continue
        found.append(action)
    return found


def blast(action: Action, key: str, members: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What goes down with `key`, on each node of `members` (rows of the topic `tree`), and a line that says so."""
    affected: list[dict[str, Any]] = []
    if action.deed:
        for host, rows in _by_host(members).items():
            states = {row["key"]: row["state"] for row in rows}
            observed = [
                Member(row["key"], row["parent"], row["position"], row["state"], row["strategy"] or "")
                for row in rows
            ]
            affected += [
                {"key": one.key, "host": host, "state": states[one.key], "why": WHY.get(one.why, one.why)}
                for one in blast_radius(observed, key, action.deed)
            ]
    return {"affected": affected, "summary": _summary(action, affected)}


def _by_host(members: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in members:
        groups.setdefault(row["host"], []).append(row)
    return groups


def _summary(action: Action, affected: list[dict[str, Any]]) -> str:
    match action.verb:
        case "hold":
            return "It keeps running. When it ends, it is not restarted until the hold ends."
        case "release":
            return "Its restarts are no longer suspended."
        case "start":
            return "It is started now, and kept running."
        case "reload":
            return "Nothing goes down."
        case "signal":
            others = max(0, len(affected) - 1)
            if not others:
                return "If the signal ends it, it is restarted as declared, and nothing else goes down."
            return f"If the signal ends it, {count(others, 'other goes', 'others go')} down with it."
        case "stop" if affected:
            return f"{count(len(affected), 'member goes', 'members go')} down, in this order, and stay down."
        case "restart" if affected:
            return f"{count(len(affected), 'member goes', 'members go')} down, in this order, and come back."
        case "stop" | "restart":
            return "Nothing of it runs now."
        case "drain":
            return "Its trees are started elsewhere first, where they may run."
        case "acknowledge":
            return "It is not told again while it lasts, and you are named as who looks after it."
        case "resolve":
            return "If it comes again, it is told again."
        case "undrain":
            return "New work may be placed on it."
    return "It is ended with everything below it."
