"""The causal chain of an end: what came first, what followed from it, told in the order in which it happened.

The causes, each a function below: it ended by itself; an operator asked; a sibling's end took it along by the strategy; its
supervisor gave up or shut itself down; the whole tree was stopped; its start failed.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from supervision.explain.history import Command, History
from supervision.explain.reasons import meaning
from supervision.explain.records import Decision, Step
from supervision.explain.words import count, duration, listing

SHOWN_ENDS = 5
"""Of the ends that used up an intensity, so many are told one by one."""

Who = Callable[[int], str]
"""Names a user by uid."""


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain. `at`: Unix seconds; `evidence`: lines that the program itself wrote."""

    text: str
    at: float
    seq: int
    key: str
    evidence: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        return {
            "at": self.at,
            "seq": self.seq,
            "key": self.key,
            "text": self.text,
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Chains:
    """Builds chains from one history."""

    history: History
    who: Who

    def of_end(self, key: str, end: Step, *, supervisor: bool = False) -> list[Link]:
        """Why the life of `key` that ended in `end` did, and what was decided then."""
        if supervisor or end.key != key:
            links = [*self._before_supervisor(key, end), *self._consequences(key, end)]
        else:
            asked = self.history.asked_to_stop(key, before=end.seq) if end.tag == "exited" else None
            before = [] if asked is None else self._request(key, asked)
            links = [*before, self._end(end), *self._consequences(key, end)]
        return _tidy(links)

    # -- the end itself ---------------------------------------------------------------------------------------------

    def _end(self, end: Step) -> Link:
        found = self.history.evidence.get((end.key, end.incarnation))
        text = f"{end.key} {meaning(end.reason).text}"
        if end.tag == "start_failed" and not end.reason.startswith("start_failed"):
            text = f"{end.key} could not be started: {end.reason}"
        sent = self.history.signalled(end.key, before=end.seq) if end.reason.startswith("signal(") else None
        if sent is not None:
            text = f"{end.key} was ended by {end.reason}, which {sent.caller(self.who)} had sent to it"
        if found is not None and found.cause:
            text += f" ({found.cause})"
        return Link(text, end.at, end.seq, end.key, () if found is None else found.stderr)

    # -- what came before it ----------------------------------------------------------------------------------------

    def _request(self, key: str, asked: Step) -> list[Link]:
        """Why `key` was asked to stop in the step `asked`."""
        found = self.history.decision_for(key, upto=asked.seq)
        if found is None:
            return []
        step, decision = found
        if decision is None:
            return [self._asked_by_somebody(key, step)]
        if decision.kind == "restart":
            return self._sibling(key, step, decision)
        if decision.kind == "recycle":
            return [self._recycled(key, step, decision)]
        if decision.kind == "escalated":
            return [self._escalated(step, decision)]
        if decision.kind == "auto_shutdown":
            return [*self._trigger(step, decision), self._auto_shutdown(step, decision)]
        return self.gave_up(step, decision)

    def _asked_by_somebody(self, key: str, step: Step) -> Link:
        if step.tag == "stop_root":
            return self._tree_stopped(step)
        request = step.request
        op = str(request[0])
        ops = {"terminate_child": ["stop"], "delete_child": ["delete_child"]}.get(op, [op])
        command = self.history.command(ops, key, before=step.seq + 1)
        if op == "apply":
            command = next(
                (one for one in reversed(self.history.commands) if one.op == "apply" and one.seq < step.seq),
                None,
            )
            revision = next((r for r in reversed(self.history.revisions) if int(r["seq"]) < step.seq), None)
            number = "" if revision is None else f" {revision.get('revision')}"
            text = f"revision{number} of {self.history.tree} was applied{self._by(command)}"
            return Link(text, step.at, step.seq, self.history.tree)
        target = step.key if step.key != key else "it"
        words = {"stop": "to stop", "restart": "to restart"}.get(op, f"({op})")
        text = f"somebody{self._by(command)} asked {target} {words}"
        if command is not None:
            text = f"{command.caller(self.who)} asked {target} {words}"
        return Link(text, step.at, step.seq, step.key)

    def _tree_stopped(self, step: Step) -> Link:
        command = self.history.command(["delete"], self.history.tree, before=step.seq)
        node = next((event for event in reversed(self.history.node) if event.seq < step.seq), None)
        if node is not None and node.what == "stopping":
            text = f"the node was stopping, and with it the tree {step.tree}"
        elif command is not None:
            text = f"{command.caller(self.who)} deleted the tree {step.tree}"
        else:
            text = f"the tree {step.tree} was asked to stop"
        return Link(text, step.at, step.seq, step.tree)

    def _by(self, command: Command | None) -> str:
        return "" if command is None else f" by {command.asker(self.who)}"

    def _trigger(self, step: Step, decision: Decision) -> list[Link]:
        """The end of the child that made its supervisor decide, which may lie before a backoff or a failed start."""
        end = self.history.last_end(decision.key, before=step.seq + 1)
        return [self._end(end)] if end is not None and end.key == decision.key else []

    def _sibling(self, key: str, step: Step, decision: Decision) -> list[Link]:
        along = [other for other in decision.affected if other != decision.key]
        text = (
            f"{decision.supervisor} restarts {_local(decision.key, decision)} and with it, "
            f"by {decision.detail.get('strategy')}, {listing([_local(other, decision) for other in along])} "
            f"({_window(decision)})"
        )
        return [*self._trigger(step, decision), Link(text, step.at, step.seq, decision.supervisor)]

    def _recycled(self, key: str, step: Step, decision: Decision) -> Link:
        command = self.history.command(["recycle"], decision.key, before=step.seq + 1)
        why = f": {decision.reason}" if decision.reason else ""
        text = f"{decision.supervisor} recycles {_local(decision.key, decision)}{self._by(command)}{why}"
        if key != decision.key:
            text += f"; {_local(key, decision)} stood in for it meanwhile"
        elif decision.detail.get("strategy") in ("one_for_all", "rest_for_one"):
            text += (
                f"; it alone: {decision.detail['strategy']} takes siblings along only when something failed"
            )
        return Link(text, step.at, step.seq, decision.supervisor)

    def _escalated(self, step: Step, decision: Decision) -> Link:
        return Link(_escalated(step, decision), step.at, step.seq, decision.supervisor)

    def _auto_shutdown(self, step: Step, decision: Decision) -> Link:
        any_of_them = decision.detail.get("auto_shutdown") == "any_significant"
        which = "a significant child has" if any_of_them else "all its significant children have"
        text = f"{decision.supervisor} shuts itself down because {which} ended (auto_shutdown)"
        return Link(text, step.at, step.seq, decision.supervisor)

    def gave_up(self, step: Step, decision: Decision) -> list[Link]:
        """A supervisor past its intensity: the ends that counted, then that it gave up."""
        intensity, period = decision.detail.get("intensity"), decision.detail.get("period")
        since = step.boot - float(period) - 60 if isinstance(period, int | float) else step.boot - 60
        ends = self.history.ends(decision.supervisor, since=since, until=step.seq)
        wanted = int(intensity) + 1 if isinstance(intensity, int) else SHOWN_ENDS
        ends = ends[-min(wanted, SHOWN_ENDS) :]
        links = [self._end(end) for end in ends]
        text = f"{decision.supervisor} gave up: one restart more than {_allowed(decision)}"
        links.append(Link(text, step.at, step.seq, decision.supervisor))
        return [*links, *self._consequences(decision.supervisor, step)]

    def _before_supervisor(self, key: str, end: Step) -> list[Link]:
        """Why a supervisor went down: it decided so, or it was asked, or what is above it decided."""
        began = self.history.life_began(key, before=end.seq)
        for kind in ("shutdown", "auto_shutdown", "escalated"):
            own = self.history.about_supervisor(key, kind, before=end.seq + 1)
            if own is None or own[0].seq <= began:
                continue
            step, decision = own
            if kind == "shutdown":
                return self.gave_up(step, decision)
            if kind == "escalated":
                return [self._escalated(step, decision), *self._consequences(key, step)]
            return [*self._trigger(step, decision), self._auto_shutdown(step, decision)]
        found = self.history.decision_for(key, upto=end.seq)
        links = [] if found is None else self._request(key, found[0])
        change = next((c for c in end.changes() if c.key == key), None)
        if change is not None:
            why = f": {meaning(change.reason).text}" if change.new == "failed" and change.reason else ""
            links.append(Link(f"{key} is down{why}", end.at, end.seq, key))
        return links

    # -- what followed ----------------------------------------------------------------------------------------------

    def _consequences(self, key: str, end: Step) -> list[Link]:
        """What its supervisor decided about `key` from the end until its next life."""
        again = self.history.start_of(key, after=end.seq - 1)
        until = None if again is None else again.seq
        links = []
        for step, decision in self.history.decisions_about(key, since=end.seq, until=until):
            words = _DECISIONS.get(decision.kind)
            if words is not None:
                links.append(Link(words(step, decision), step.at, step.seq, decision.supervisor))
            if decision.kind in ("shutdown", "escalated"):
                links += self._consequences(decision.supervisor, step)
        asked = self.history.command(["start", "restart", "release"], key, before=until)
        if asked is not None and asked.seq > end.seq:
            text = f"{asked.caller(self.who)} asked: {asked.op} {asked.args.get('key', key)}"
            links.append(Link(text, asked.at, asked.seq, key))
        for decided in [self.history.about_supervisor(key, kind) for kind in ("retry", "stay_down")]:
            if decided is not None and decided[0].seq >= end.seq:
                step, decision = decided
                links.append(Link(_DECISIONS[decision.kind](step, decision), step.at, step.seq, key))
        return links


def _tidy(links: list[Link]) -> list[Link]:
    """In the order in which it happened, nothing twice. The same end several times in a row is one link that says how
    often, with the last one's evidence: four equal tracebacks say no more than one."""
    ordered = sorted({(link.seq, link.text): link for link in links}.values(), key=lambda link: link.seq)
    told = []
    for (key, text), group in itertools.groupby(ordered, key=lambda link: (link.key, link.text)):
        same = list(group)
        last = same[-1]
        if len(same) > 1:
            text += f", {len(same)} times in {duration(last.at - same[0].at)}"
        told.append(Link(text, last.at, last.seq, key, last.evidence))
    return told


# -- decisions in words ---------------------------------------------------------------------------------------------


def _restart(_step: Step, decision: Decision) -> str:
    along = [_local(key, decision) for key in decision.affected if key != decision.key]
    words = f"{decision.supervisor} restarts {_local(decision.key, decision)} ({_window(decision)}"
    if along:
        words += f"; by {decision.detail.get('strategy')} also {listing(along)}"
    return words + ")"


def _backoff(_step: Step, decision: Decision) -> str:
    delay, attempt = decision.detail.get("delay"), decision.detail.get("attempt")
    words = "its restart waits"
    if isinstance(delay, int | float):
        words += f" {duration(float(delay))} (backoff"
        words += f", failure {attempt} in a row)" if attempt is not None else ")"
    return words


def _waiting(_step: Step, decision: Decision) -> str:
    missing = decision.detail.get("for")
    return "it waits for " + listing(
        [str(key) for key in missing] if isinstance(missing, list) else ["what it depends on"]
    )


def _gave_up(_step: Step, decision: Decision) -> str:
    parent = decision.detail.get("parent")
    words = f"{decision.supervisor} gave up, because this was one restart more than {_allowed(decision)}"
    return words + (f"; {parent} decides now" if parent else "; it is the root of its tree")


def _escalated(_step: Step, decision: Decision) -> str:
    parent = decision.detail.get("parent")
    ill = f"{decision.supervisor} failed because {_local(decision.key, decision)} is not healthy"
    ill += f" ({decision.reason})" if decision.reason else ""
    return ill + (f"; {parent} decides now" if parent else "; it is the root of its tree")


def _retry(_step: Step, decision: Decision) -> str:
    delay = decision.detail.get("delay")
    after = f" after {duration(float(delay))}" if isinstance(delay, int | float) else ""
    return (
        f"the tree is started again{after} (on_failure: retry, attempt {decision.detail.get('attempt', 1)})"
    )


_DECISIONS: dict[str, Callable[[Step, Decision], str]] = {
    "restart": _restart,
    "backoff": _backoff,
    "waiting": _waiting,
    "held": lambda _step, _decision: "it is held, so its restart is suspended",
    "shutdown": _gave_up,
    "escalated": _escalated,
    "auto_shutdown": lambda _step, decision: (
        f"{decision.supervisor} shuts itself down because of it (auto_shutdown)"
    ),
    "shutdown_error": lambda _step, decision: f"it did not stop as asked ({decision.reason})",
    "retry": _retry,
    "recycle": lambda _step, decision: (
        f"{decision.supervisor} gives it a fresh life" + (f" ({decision.reason})" if decision.reason else "")
    ),
    "recycled": lambda _step, _decision: "its fresh life is ready, and nothing was counted",
    "recycle_failed": lambda _step, decision: f"it is not recycled: {decision.reason}",
    "stay_down": lambda _step, _decision: "the tree stays down (on_failure: stay_down)",
}


def _window(decision: Decision) -> str:
    used, allowed = decision.detail.get("restarts"), decision.detail.get("intensity")
    period = decision.detail.get("period")
    if not isinstance(period, int | float):
        return "a restart"
    return f"restart {used} of {allowed} in {duration(float(period))}"


def _allowed(decision: Decision) -> str:
    intensity, period = decision.detail.get("intensity"), decision.detail.get("period")
    if not isinstance(intensity, int) or not isinstance(period, int | float):
        return "its intensity allows"
    return f"the {count(intensity, 'restart')} in {duration(float(period))} that its intensity allows"


def _local(key: str, decision: Decision) -> str:
    """A sibling by its id: its supervisor is named in the same sentence."""
    return key.removeprefix(decision.supervisor + "/")
