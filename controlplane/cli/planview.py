"""What applying a tree file would do, step by step and in words."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import cut, pad, printable, width
from supervision.explain.words import count
from supervision.runtime.treewalk import declared

POOL = "celery_worker"
"""Kind of the children that are pools of workers."""

SIGNS = {
    "start": ("+", Tone.OK),
    "restart": ("~", Tone.WARN),
    "update": ("~", None),
    "stop": ("-", Tone.CRIT),
    "keep": ("=", Tone.IDLE),
}


@dataclass(frozen=True, slots=True)
class PlanStep:
    """do: start, restart (a stop and a start of the same child), update (in place), stop, keep."""

    do: str
    key: str
    why: str


def steps_of(raw: Iterable[Mapping[str, Any]]) -> list[PlanStep]:
    """The node's steps in order, the stop and the start of one child told as its restart, where it starts."""
    steps = [
        PlanStep(str(one.get("do", "")), str(one.get("key", "")), str(one.get("why") or "")) for one in raw
    ]
    stopped = {step.key for step in steps if step.do == "stop"}
    started = {step.key for step in steps if step.do == "start"}
    told = []
    for step in steps:
        if step.do == "start" and step.key in stopped:
            told.append(PlanStep("restart", step.key, step.why))
        elif step.do != "stop" or step.key not in started:
            told.append(step)
    return told


def changes(steps: Iterable[PlanStep]) -> list[PlanStep]:
    return [step for step in steps if step.do != "keep"]


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """A pool of workers: how many its node has now, and how many it is to have."""

    key: str
    now: int
    wanted: int


def pools_in(tree: Mapping[str, Any], steps: Iterable[PlanStep]) -> list[PoolPlan]:
    """The pools of a tree document, in its order. Any: a document's values."""
    found: dict[str, Counter[str]] = {}
    for step in steps:
        found.setdefault(step.key.partition("@")[0], Counter())[step.do] += 1
    keys = [
        f"{tree['tree']}/{child.path}"
        for child in declared(tree)
        if not child.template and child.kind == POOL
    ]
    none: Counter[str] = Counter()
    return [
        PoolPlan(key, counts.total() - counts["start"], counts.total() - counts["stop"])
        for key in keys
        for counts in [found.get(key, none)]
    ]


def plan_lines(plan: Mapping[str, Any], terminal: Terminal, pools: Iterable[PoolPlan] = ()) -> list[str]:
    """A heading, a line for each change, one for each pool of workers, a sum; what is kept is a number."""
    steps = steps_of(plan.get("steps", []))
    revision = plan.get("from_revision")
    runs = f", which runs revision {revision}:" if revision else ", which is new here:"
    lines = [terminal.paint(f"Plan for {plan.get('tree')}{runs}", Tone.STRONG)]
    changed = changes(steps)
    columns = min(max((width(step.key) for step in changed), default=0), max(20, terminal.columns // 2))
    for step in changed:
        sign, tone = SIGNS.get(step.do, ("?", Tone.CRIT))
        lead = f"  {sign} {pad(step.do, 7)} {pad(printable(step.key), columns)}"
        rest = printable(step.why)
        room = terminal.columns - width(lead) - 2
        if width(rest) > room >= 20 and terminal.tty:
            rest = cut(rest, room)
        lines.append(terminal.paint(lead, tone) + (f"  {rest}" if rest else ""))
    lines += [
        f"  pool {printable(pool.key)}: {count(pool.now, 'worker')} now, {pool.wanted} wanted"
        for pool in pools
    ]
    lines.append(total(steps))
    return lines


def total(steps: Iterable[PlanStep]) -> str:
    """`2 to start, 1 to restart, 12 unchanged.`"""
    counts = Counter(step.do for step in steps)
    words = [f"{counts[do]} to {do}" for do in ("start", "restart", "update", "stop") if counts[do]]
    if not words:
        kept = count(counts["keep"], "supervisor or child is", "supervisors and children are")
        kept = count(counts["keep"], "supervisor or child is", "supervisors and children are")
        return f"Nothing to change: {kept} as the file says."
    if counts["keep"]:
        words.append(f"{counts['keep']} unchanged")
    return ", ".join(words) + "."
