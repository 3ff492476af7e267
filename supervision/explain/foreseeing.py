"""What the kernel foresees, for people: which deed an action is, and what would follow from it, in sentences.

deed_of("stop", kernel, "shop/web")  ->  what `foresee` is asked
telling(foresight, deed)             ->  what happens in order, what becomes of whom, and all of it in a line
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.explain.words import count, duration, listing
from supervision.kernel import Kernel
from supervision.kernel.actions import Action, Kill, Report, Signal, Start, State
from supervision.kernel.events import Call, Event, Exited, Tick
from supervision.kernel.foresight import Becomes, Crash, Deed, Fate, Foresight, foresee
from supervision.kernel.recycling import is_stand_in

MOST = 60
"""Sentences that are told; a loop says the same again and again."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """at: seconds since the deed; key: whom it is about; severity: info, good, warning or trouble."""

    at: float
    key: str
    text: str
    severity: str = "info"

    def to_json(self) -> dict[str, Any]:
        return {"at": round(self.at, 3), "key": self.key, "text": self.text, "severity": self.severity}


@dataclass(frozen=True, slots=True)
class Foretold:
    """The answer as pages, the API and the command line show it. more: sentences that are left out."""

    summary: str
    sentences: tuple[Sentence, ...]
    more: int
    foresight: Foresight

    def to_json(self) -> dict[str, Any]:
        return {
            "summary": self.summary,
            "steps": [one.to_json() for one in self.sentences],
            "more": self.more,
            "affected": [
                {
                    "key": fate.key,
                    "becomes": str(fate.becomes),
                    "is_supervisor": fate.is_supervisor,
                    "before": fate.before,
                    "after": fate.after,
                    "lives": fate.lives,
                    "words": fate_words(fate),
                }
                for fate in self.foresight.fates
            ],
            "gave_up": list(self.foresight.gave_up),
            "root_state": self.foresight.root,
            "refused": self.foresight.refused,
        }


def foretell(kernel: Kernel, deed: Deed, *, now: float) -> Foretold:
    """What `deed` would do, in words. now: on the kernel's own clock."""
    return telling(foresee(kernel, deed, now=now), deed)


def telling(foresight: Foresight, deed: Deed) -> Foretold:
    said = list(_Teller(deed, foresight).sentences())
    return Foretold(_summary(foresight, deed), tuple(said[:MOST]), max(0, len(said) - MOST), foresight)


# -- what happens, in order -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Teller:
    deed: Deed
    foresight: Foresight
    crashed: int = 0
    stops: list[str] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)

    def sentences(self) -> Iterator[Sentence]:
        at = 0.0
        for happening in self.foresight.happenings:
            if happening.at != at or (isinstance(happening.event, Tick) and happening.actions):
                yield from self._flush(at)
            at = happening.at
            event = happening.event
            if isinstance(event, Exited) and self._is_crash(event):
                yield from self._flush(at)
                self.crashed += 1
                yield Sentence(at, event.key, f"{event.key} {self._crash_words()}", "warning")
            elif isinstance(event, Call) and self.foresight.refused:
                yield Sentence(at, "", f"It would be refused: {self.foresight.refused}.", "warning")
            for action in happening.actions:
                if isinstance(action, Signal | Kill):
                    yield from self._flush(at, only_starts=True)
                    if action.key not in self.stops:
                        self.stops.append(action.key)
                elif isinstance(action, Start):
                    yield from self._flush(at, only_stops=True)
                    self.starts.append(action.key)
                elif isinstance(action, Report):
                    row = _REPORTS.get(action.kind)
                    if row is not None:
                        yield from self._flush(at)
                        text, severity = row(action)
                        yield Sentence(at, _key_of(action), text, severity)
                elif isinstance(action, State) and self._is_for_good(event, action, happening.actions):
                    yield from self._flush(at)
                    yield Sentence(at, action.key, f"{action.key} is not started again: {action.new}.")
        yield from self._flush(at)

    def _is_crash(self, event: Exited) -> bool:
        deed = self.deed
        return isinstance(deed, Crash) and event.key == deed.key and event.reason == deed.reason

    def _is_for_good(self, event: Event, change: State, actions: tuple[Action, ...]) -> bool:
        """It ends and its restart type says that this was all; where its supervisor gives up, that is told instead."""
        gives_up = any(isinstance(action, Report) and action.kind == "shutdown" for action in actions)
        is_its_end = isinstance(event, Exited) and event.key == change.key
        return is_its_end and not gives_up and change.new in ("failed", "completed", "lost")

    def _crash_words(self) -> str:
        times = self.deed.times if isinstance(self.deed, Crash) else 1
        return "ends." if times == 1 else f"crashes, {self.crashed} of {times}."

    def _flush(self, at: float, *, only_stops: bool = False, only_starts: bool = False) -> Iterator[Sentence]:
        if self.stops and not only_starts:
            yield Sentence(at, self.stops[0], _in_order("Stopped", self.stops))
            self.stops = []
        if self.starts and not only_stops:
            yield Sentence(at, self.starts[0], _in_order("Started", self.starts), "good")
            self.starts = []


def _in_order(word: str, keys: list[str]) -> str:
    return f"{word}: {keys[0]}." if len(keys) == 1 else f"{word}, in this order: {', '.join(keys)}."


def _key_of(report: Report) -> str:
    if report.kind in ("shutdown", "auto_shutdown") or report.child is None:
        return report.supervisor
    return f"{report.supervisor}/{report.child}"


def _restart(report: Report) -> tuple[str, str]:
    detail = report.detail
    key = _key_of(report)
    along = [one for one in detail.get("affected", ()) if one != key]
    words = f"{report.supervisor} restarts {key}"
    if along:
        words += f" and with it {listing(along)} ({detail.get('strategy')})"
    period = duration(float(detail["period"]))
    return f"{words}: restart {detail['restarts']} of {detail['intensity']} in {period}.", "info"


def _shutdown(report: Report) -> tuple[str, str]:
    detail = report.detail
    used, allowed = detail["restarts"], detail["intensity"]
    period = duration(float(detail["period"]))
    words = f"{report.supervisor} gives up: {count(used, 'restart')} in {period}, {allowed} are allowed."
    above = detail.get("parent")
    end = (
        f" It stops what is left of it and ends; {above} decides what follows."
        if above
        else " It is the root: the whole tree goes down."
    )
    return words + end, "trouble"


def _backoff(report: Report) -> tuple[str, str]:
    delay = duration(float(report.detail["delay"]))
    return (
        f"{_key_of(report)} waits {delay} before it is started again (failure {report.detail['attempt']} in a row).",
        "warning",
    )


def _waiting(report: Report) -> tuple[str, str]:
    missing = [str(key) for key in report.detail.get("for", ())]
    return f"{_key_of(report)} waits for {listing(missing) or 'what it depends on'}.", "warning"


def _retry(report: Report) -> tuple[str, str]:
    return (
        f"The tree is started again in {duration(float(report.detail['delay']))} (on_failure: retry).",
        "warning",
    )


def _recycled(report: Report) -> tuple[str, str]:
    stand_in = report.detail.get("stand_in")
    return f"{_key_of(report)} gets a fresh life" + (
        f"; {stand_in} stands in for it." if stand_in else "."
    ), "info"


_REPORTS: Mapping[str, Callable[[Report], tuple[str, str]]] = {
    "restart": _restart,
    "shutdown": _shutdown,
    "backoff": _backoff,
    "waiting": _waiting,
    "retry": _retry,
    "recycle": _recycled,
    "held": lambda report: (
        f"{_key_of(report)} is held: it is not started again until it is released.",
        "warning",
    ),
    "auto_shutdown": lambda report: (
        f"{report.supervisor} shuts itself down: a significant child has ended.",
        "trouble",
    ),
    "stay_down": lambda _report: (
        "The tree stays down until somebody starts it (on_failure: stay_down).",
        "trouble",
    ),
    "recycle_failed": lambda report: (f"{_key_of(report)} is not recycled: {report.reason}.", "warning"),
}


# -- what becomes of whom ---------------------------------------------------------------------------------------------------


def fate_words(fate: Fate) -> str:
    """`restarts`, `restarts 4 times`, `stops, then waits in backoff`."""
    match fate.becomes:
        case Becomes.RESTARTS:
            return "restarts" if fate.lives == 1 else f"restarts {fate.lives} times"
        case Becomes.STOPS:
            if fate.after in ("stopped", ""):
                return "stops" if not fate.lives else f"restarts {count(fate.lives, 'time')}, then stops"
            return f"goes down: {fate.after}"
        case Becomes.STARTS:
            return "stands in meanwhile" if is_stand_in(fate.key) else "starts"
        case Becomes.GOES:
            return "is forgotten"
    return f"{fate.before}, then {fate.after}" if fate.before != fate.after else f"stays {fate.after}"


def _summary(foresight: Foresight, deed: Deed) -> str:
    if foresight.refused:
        return f"It would be refused: {foresight.refused}."
    parts = []
    if isinstance(deed, Crash) and foresight.crashes < deed.times:
        if foresight.crashes == 0:
            return "Nothing happens: no process of it runs, so nothing can crash."
        parts.append(
            f"It can crash only {count(foresight.crashes, 'time')} in that time: then it does not run."
        )
    others = [fate for fate in foresight.fates if not fate.is_supervisor]
    counts = Counter(fate.becomes for fate in others)
    words = [
        f"{count(counts[becomes], one, many)}"
        for becomes, one, many in (
            (Becomes.STOPS, "process goes down", "processes go down"),
            (Becomes.RESTARTS, "process restarts", "processes restart"),
            (Becomes.STARTS, "process starts", "processes start"),
        )
        if counts[becomes]
    ]
    if words:
        parts.append(f"{listing(words)[0].upper()}{listing(words)[1:]}.")
    gave_up = list(dict.fromkeys(foresight.gave_up))
    if gave_up:
        parts.append(f"{listing(gave_up)} {'gives' if len(gave_up) == 1 else 'give'} up.")
        parts.append(_ROOT.get(foresight.root, f"The root is {foresight.root} at the end."))
    elif isinstance(deed, Crash):
        parts.append("No supervisor gives up.")
    if not foresight.is_whole:
        parts.append("More would happen than is followed here.")
    return " ".join(parts) or "Nothing goes down and nothing starts."


_ROOT = {
    "running": "The root stays up, or is up again at the end.",
    "backoff": "The root goes down and is tried again later.",
    "failed": "The root goes down and stays down.",
}
