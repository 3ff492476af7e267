"""kill -9 of a child to the first instruction of its replacement, for three kinds of child.

All contenders live side by side and are killed in turn: one child of one contender at a time, the oldest, which is more
than a second old; then a pause of random length, so that no kill keeps step with anybody's timer.
"""

import contextlib
import os
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import native
from bench.contenders.bare import Bare, BareC
from bench.contenders.circus import Circus, FastCircus
from bench.contenders.contender import Contender, Program
from bench.contenders.overstory import Overstory, OverstoryUser
from bench.contenders.pm2 import Pm2
from bench.contenders.runit import Runit
from bench.contenders.s6 import S6
from bench.contenders.supervisord import Supervisord
from bench.entry import Entry, Options
from bench.fleet import Fleet, fleet
from bench.report import Figure, Result, Table
from bench.samples import Series, p50, p99, ratio, turns

PROGRAMS = Path(__file__).parent / "programs"
USER = "nobody"
PAUSE_S = (0.020, 0.045)
"""Longer than what Overstory puts off for 20 ms after a restart, so that it falls into nobody's measurement."""
SETTLE_S = 1.5
P50_LIMIT, P99_LIMIT, USER_LIMIT = 1.25, 2.0, 1.75


@dataclass(frozen=True, slots=True)
class Field:
    """Who takes part, and how many kills each gets in a run."""

    kind: type[Contender]
    kills: int
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Race:
    """One table: what runs, how many children each, who, how often."""

    name: str
    program: Callable[[Options], Program]
    count: int
    fields: tuple[Field, ...]
    runs: int = 5

    @property
    def title(self) -> str:
        return f"kill -9 to the replacement's first instruction: {self.name}"


def c_child(options: Options) -> Program:
    """A copy where a child of another user may execute it, which a checkout may not be."""
    built = native.build("stamp", options.tools / "native")
    copy = options.work / "stamp"
    if not copy.exists():
        copy.write_bytes(built.read_bytes())
        copy.chmod(0o755)
    return Program("C child", (str(copy),), 2.0)


def python_child(_: Options) -> Program:
    return Program("Python child", (sys.executable, str(PROGRAMS / "child.py")), 5.0)


def importing_child(_: Options) -> Program:
    return Program("Python child with imports", (sys.executable, str(PROGRAMS / "imports.py")), 40.0)


def race(form: Callable[[bool], Race], options: Options) -> Result:
    """Run one race and judge nothing yet but its ratios."""
    plan = form(options.quick)
    program = plan.program(options)
    fields = [one for one in plan.fields if one.kills and _takes_part(one, options)]
    with contextlib.ExitStack() as stack:
        fleets = [
            stack.enter_context(
                fleet(one.kind, program, plan.count, below=options.work, tools=options.tools, user=one.user)
            )
            for one in fields
        ]
        for one in fleets:
            one.start()
        time.sleep(SETTLE_S)
        for one in fleets:
            one.contender.park()
        series = run_in_turns(fleets, [one.kills for one in fields], plan.runs)
    result = Result(plan.name, samples={one.name: one.runs for one in series})
    result.tables.append(_table(plan, series))
    result.figures += _figures(plan, {one.name: one for one in series})
    return result


def _takes_part(one: Field, options: Options) -> bool:
    if one.user is not None:
        return os.geteuid() == 0
    return one.kind in (Bare, BareC, Overstory) or options.invites(one.kind.name)


def run_in_turns(fleets: list[Fleet], kills: list[int], runs: int) -> list[Series]:
    """Milliseconds from kill to return, run by run: `kills` of each fleet in a run, in turn with the others'."""
    series = [Series(one.name) for one in fleets]
    noise = random.Random(1)
    for _ in range(runs):
        for one in series:
            one.begin_run()
        for taking in turns(kills):
            for at in taking:
                fleets[at].contender.unpark()
                time.sleep(noise.uniform(*PAUSE_S))
                series[at].add(fleets[at].kill_oldest())
                fleets[at].contender.park()
    return series


def _table(plan: Race, series: list[Series]) -> Table:
    floor = series[0]
    rows = tuple(
        (
            one.name,
            p50(one.samples),
            p99(one.samples),
            ratio(one, floor, p50),
            ratio(one, floor, p99),
            str(len(one.samples)),
        )
        for one in series
    )
    columns = ("contender", "p50 ms", "p99 ms", "p50 / bare", "p99 / bare", "kills")
    return Table(plan.title, columns, rows)


def _figures(plan: Race, by_name: dict[str, Series]) -> list[Figure]:
    """The floor's ratios are promised for the C child; Python's own start hides them in the others."""
    floor, ours = by_name[Bare.name], by_name[Overstory.name]
    if not plan.name.startswith("C child"):
        return []
    figures = [
        Figure(f"restart, {plan.name}: p50 / bare loop", ratio(ours, floor, p50), P50_LIMIT, "x"),
        Figure(f"restart, {plan.name}: p99 / bare loop", ratio(ours, floor, p99), P99_LIMIT, "x"),
    ]
    if any(one.user for one in plan.fields):
        other = by_name.get(OverstoryUser.name)
        figures.append(
            Figure(
                f"restart, {plan.name}, with user: p50 / bare loop",
                ratio(other, floor, p50) if other else None,
                USER_LIMIT,
                "x",
                why="only root may change the user",
            )
        )
    return figures


def twenty_c(quick: bool) -> Race:
    """Everybody, at 20 children."""
    ours, theirs = (60, 4) if quick else (120, 20)
    fields = (
        Field(Bare, ours),
        Field(BareC, ours),
        Field(Overstory, ours),
        Field(OverstoryUser, ours, USER),
        Field(S6, theirs),
        Field(Runit, theirs),
        Field(Pm2, theirs),
        Field(FastCircus, theirs),
        Field(Circus, 0 if quick else 2),
        Field(Supervisord, 1 if quick else 5),
    )
    return Race("C child, 20 children", c_child, 20, fields, 3 if quick else 5)


def thousand_c(quick: bool) -> Race:
    """The floor and Overstory at 1,000 children: the cost of a restart does not grow."""
    kills = 60 if quick else 150
    fields = (Field(Bare, kills), Field(BareC, kills), Field(Overstory, kills))
    return Race("C child, 1,000 children", c_child, 1000, fields, 3 if quick else 5)


def _usual(ours: int, theirs: int, slow: int) -> tuple[Field, ...]:
    return (
        Field(Bare, ours),
        Field(Overstory, ours),
        Field(S6, theirs),
        Field(Runit, theirs),
        Field(Pm2, theirs),
        Field(FastCircus, theirs),
        Field(Supervisord, slow),
    )


def python(quick: bool) -> Race:
    """An interpreter's start."""
    fields = _usual(10, 3, 1) if quick else _usual(40, 20, 5)
    return Race("Python child, 20 children", python_child, 20, fields, 2 if quick else 5)


def imports(quick: bool) -> Race:
    """What a real service imports."""
    fields = _usual(4, 1, 1) if quick else _usual(10, 5, 3)
    return Race("Python child with imports, 8 children", importing_child, 8, fields, 2 if quick else 3)


PEERS = ("supervisor", "circus", "pm2", "runit", "s6")
ENTRIES = (
    Entry("restart-c", "restart of a C child beside every peer", partial(race, twenty_c), PEERS),
    Entry("restart-many", "restart of one of 1,000 C children", partial(race, thousand_c)),
    Entry("restart-python", "restart of a Python child", partial(race, python), PEERS),
    Entry("restart-imports", "restart of a Python service", partial(race, imports), PEERS),
)
