"""The six requests that name a key, and how each says what happened."""

from controlplane.cli.acting import Verb
from controlplane.cli.outcome import Goal, Seen, children_words
from controlplane.cli.text import printable
from controlplane.cli.treeview import note_of
from supervision.explain.words import clock_time, duration
from supervision.runtime.observed import Child, Member


def _started(member: Member, was: Seen | None, now: float) -> str:
    if (
        isinstance(member, Child)
        and was is not None
        and was.incarnation == member.incarnation
        and was.state == member.state
    ):
        return f"was {member.state} already{_life(member)}"
    return f"{member.state}{children_words(member)}{_life(member) or _note(member, now)}"


def _stopped(member: Member, was: Seen | None, now: float) -> str:
    if was is not None and was.state == member.state == "stopped":
        return "was stopped already"
    ended = ""
    if isinstance(member, Child) and member.last_exit is not None and was is not None and was.pid is not None:
        ended = f" (pid {was.pid}, {printable(member.last_exit.reason)})"
    return f"{member.state}{children_words(member)}{ended}"


def _restarted(member: Member, was: Seen | None, now: float) -> str:
    if was is not None and was.pid is not None and isinstance(member, Child) and member.pid is not None:
        return f"restarted (pid {was.pid} -> {member.pid}, incarnation {member.incarnation})"
    if member.state == "running":
        return f"restarted{children_words(member)}{_life(member)}"
    return f"{member.state}{_note(member, now)}"


def _held(member: Member, was: Seen | None, now: float) -> str:
    until = "until released"
    if member.held_until is not None:
        until = f"until {clock_time(member.held_until, now=now)} ({duration(member.held_until - now)})"
    if member.state == "running":
        return f"held {until}; it runs on, and is not restarted when it ends"
    return f"held {until}"


def _released(member: Member, was: Seen | None, now: float) -> str:
    if was is not None and not was.held:
        return f"was not held; {member.state}"
    return f"released; {member.state}{_life(member) or _note(member, now)}"


def _life(member: Member) -> str:
    if isinstance(member, Child) and member.pid is not None:
        return f" (pid {member.pid}, incarnation {member.incarnation})"
    return ""


def _note(member: Member, now: float) -> str:
    note = note_of(member, now=now)
    return f" ({note})" if note else ""


START = Verb("start", "starting", Goal.UP, _started)
STOP = Verb("stop", "stopping", Goal.DOWN, _stopped)
RESTART = Verb("restart", "restarting", Goal.UP, _restarted, renews=True)
RECYCLE = Verb("recycle", "recycling", Goal.UP, _restarted, renews=True)
HOLD = Verb("hold", "holding", Goal.ANY, _held)
RELEASE = Verb("release", "releasing", Goal.ANY, _released)
