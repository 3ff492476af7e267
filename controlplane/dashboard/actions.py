"""What an operator can do to a child, node or stray: the words, who may, and what it takes down. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.access.policy import Permission
from supervision.explain.deeds import DEEDS


@dataclass(frozen=True, slots=True)
class Action:
    """label: on the button; question: above it.

    states: in which it makes sense, empty for all; target: what the key names.
    """

    verb: str
    label: str
    question: str
    danger: bool = False
    needs_reason: bool = False
    permission: Permission = Permission.OPERATE
    target: str = "child"
    not_states: frozenset[str] = frozenset()

    @property
    def is_foreseen(self) -> bool:
        """Whether the kernel can be asked what would follow from it."""
        return self.target == "child" and self.verb in DEEDS


DOWN = frozenset({"stopped", "completed", "failed", "lost", "waiting", "backoff", "held"})
UP = frozenset({"running", "starting"})

ACTIONS = {
    action.verb: action
    for action in (
        Action("start", "Start", "Start {key}?", not_states=UP),
        Action("restart", "Restart", "Restart {key}?", danger=True, not_states=DOWN),
        Action("recycle", "Recycle", "Give {key} a fresh life?", danger=True, not_states=DOWN),
        Action("stop", "Stop", "Stop {key}?", danger=True, not_states=frozenset({"stopped"})),
        Action("hold", "Hold", "Suspend restarts of {key}?"),
        Action("release", "Release", "Release {key}?"),
        Action("signal", "Signal", "Send a signal to {key}?", danger=True),
        Action("reload", "Reload", "Ask {key} to read its configuration again?"),
        Action(
            "end_stray", "End", "End the process with pid {key}?", danger=True, target="stray"
        ),
        Action("adopt_stray", "Adopt", "Give the process with pid {key} to a child?", target="stray"),
        Action(
            "drain", "Drain", "Move everything away from node {key}?", danger=True,
            permission=Permission.ADMIN, target="node",
        ),
        Action("acknowledge", "Acknowledge", "Look after this: {key}?", target="alert"),
        Action(
            "silence", "Silence", "Keep quiet about this: {key}?", needs_reason=True, target="alert"
        ),
        Action(
            "hold_all", "Hold everything", "Suspend restarts of every tree?", needs_reason=True, target="fleet"
        ),
        Action("release_all", "Release everything", "Release every tree?", target="fleet"),
        Action("end_silence", "End", "Tell again of this: {key}?", target="silence"),
        Action("resolve", "Resolve", "Is this over: {key}?", target="alert"),
        Action(
            "undrain", "Take work again", "Let node {key} take work again?",
            permission=Permission.ADMIN, target="node",
        ),
    )
}  # fmt: skip

OFFERED = ("start", "restart", "recycle", "reload", "stop", "hold", "release", "signal")
"""On a process's page, in this order."""


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
        if verb in ("signal", "reload", "recycle") and (member["is_supervisor"] or member["pid"] is None):
            continue
        found.append(action)
    return found


MEANS = {
    "start": "It is started now, and kept running.",
    "stop": "It stays down until it is started again: through restarts of its supervisor, of its node and of its host.",
    "restart": "This does not count as a failure.",
    "recycle": (
        "A Celery worker drains when another one that stands in for it is ready; any other child is restarted. "
        "It does not count as a failure."
    ),
    "hold": "It keeps running. When it ends, it is not restarted until the hold ends.",
    "release": "Its restarts are no longer suspended.",
    "signal": "What follows if the signal ends it:",
    "reload": "Nothing goes down.",
    "hold_all": "Everything keeps running. What ends is not restarted until the hold ends.",
    "release_all": "No tree's restarts are suspended any more.",
    "drain": "Its trees are started elsewhere first, where they may run.",
    "undrain": "New work may be placed on it.",
    "adopt_stray": "It belongs to that child from now on, and ends with it.",
    "end_stray": "It is ended with everything below it.",
    "acknowledge": "It is not told again while it lasts, and you are named as who looks after it.",
    "resolve": "If it comes again, it is told again.",
}
"""What an action is, beside what follows from it now."""
