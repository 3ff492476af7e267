"""1,000 C children: how long they take to start and to stop, what watching them costs in memory and CPU."""

import contextlib
import time
from collections.abc import Iterator

from bench.contenders.bare import Bare, BareC
from bench.contenders.circus import Circus
from bench.contenders.contender import Contender
from bench.contenders.overstory import Overstory, OverstoryAtOnce, OverstoryParallel
from bench.contenders.pm2 import Pm2
from bench.contenders.runit import Runit
from bench.contenders.s6 import S6
from bench.contenders.supervisord import Supervisord
from bench.entry import Entry, Options
from bench.fleet import Fleet, fleet
from bench.processes import cpu_s, pss_mb
from bench.report import Cell, Figure, Result, Table
from bench.restarts import PEERS, c_child
from bench.samples import Series, p50, ratio

COUNT = 1000
START_LIMIT = 1.25
APPLY_LIMIT = 2.5
"""Of ours, not asked of us: it notices that an apply became slower."""
PARALLEL_LIMIT_S, ORDERED_LIMIT_S = 0.3, 0.5
PSS_LIMIT_MB, CPU_LIMIT_PERCENT = 30.0, 0.2
STAND_BY_S = 10.0
"""For every contender: as long as a new node takes to make its spare output files ahead."""
SETTLE_S = 3.0
SETTLE_START_S = 0.5
PEERS_IDLE_S = 10.0


@contextlib.contextmanager
def thousand(kind: type[Contender], options: Options) -> Iterator[Fleet]:
    """`kind` with 1,000 children to be; `stop: parallel` where its name says so."""
    stop = "parallel" if kind is OverstoryParallel else "ordered"
    program = c_child(options)
    with fleet(kind, program, COUNT, below=options.work, tools=options.tools, stop=stop) as one:
        yield one


def start_and_stop(options: Options) -> Result:
    """Each contender in turn, several times, each time from nothing; ours starts once more what it knows by then, as the
    floor knows all it starts: what an apply has to do before (read, check, keep) stands in the table beside it."""
    kinds: tuple[type[Contender], ...] = (Bare, BareC, OverstoryAtOnce, Overstory, OverstoryParallel)
    firsts = {kind: _Turns(kind.name) for kind in kinds}
    seconds = {kind: _Turns(f"{kind.name}, a known tree") for kind in (Overstory, OverstoryParallel)}
    for _ in range(3 if options.quick else 7):
        for kind in kinds:
            with thousand(kind, options) as one:
                time.sleep(0 if kind is OverstoryAtOnce else STAND_BY_S)
                firsts[kind].take(one)
                if kind in seconds:
                    time.sleep(STAND_BY_S)
                    seconds[kind].take(one)
    floor = firsts[Bare].start
    turns = (*firsts.values(), *seconds.values())
    rows = tuple(
        (one.start.name, p50(one.start.samples), ratio(one.start, floor, p50), p50(one.stop.samples))
        for one in turns
    )
    result = Result("start and stop of 1,000", samples={one.start.name: one.start.runs for one in turns})
    result.samples |= {f"{one.stop.name}, stop": one.stop.runs for one in turns}
    result.tables.append(
        Table("1,000 C children: start and stop", ("contender", "start s", "start / bare", "stop s"), rows)
    )
    # Both of ours start alike; each of their runs is compared with the floor's of the same round.
    known = Series("Overstory", [run for one in seconds.values() for run in one.start.runs])
    applied = Series("Overstory", [run for kind in seconds for run in firsts[kind].start.runs])
    both = Series(Bare.name, floor.runs * len(seconds))
    result.figures += [
        Figure("start of 1,000 that are known / bare loop", ratio(known, both, p50), START_LIMIT, "x"),
        Figure("apply of 1,000 that are new / bare loop", ratio(applied, both, p50), APPLY_LIMIT, "x"),
        Figure("stop of 1,000, in OTP's order", firsts[Overstory].stop.over_runs(p50), ORDERED_LIMIT_S, " s"),
        Figure(
            "stop of 1,000, parallel", firsts[OverstoryParallel].stop.over_runs(p50), PARALLEL_LIMIT_S, " s"
        ),
    ]
    return result


class _Turns:
    """Seconds that a contender took to start and to stop, run by run."""

    def __init__(self, name: str) -> None:
        self.start, self.stop = Series(name), Series(name)

    def take(self, one: Fleet) -> None:
        """One start, and one stop."""
        self.start.begin_run()
        self.start.add(one.start())
        time.sleep(SETTLE_START_S)
        self.stop.begin_run()
        self.stop.add(one.stop())


def idle(options: Options) -> Result:
    """Memory and CPU over a minute in which nothing happens."""
    seconds = 10.0 if options.quick else 60.0
    with thousand(Bare, options) as floor, thousand(Overstory, options) as ours:
        floor.start()
        ours.start()
        time.sleep(SETTLE_S)
        guardian, node = ours.contender.daemons()
        helpers = ours.contender.running.helper_pids() if isinstance(ours.contender, Overstory) else []
        groups = {
            Bare.name: floor.contender.daemons(),
            "Overstory: guardian and node": [guardian, node],
            "  guardian": [guardian],
            "  node": [node],
            "Overstory: helpers": helpers,
        }
        before = {name: cpu_s(pids) for name, pids in groups.items()}
        time.sleep(seconds)
        used = {name: cpu_s(pids) - before[name] for name, pids in groups.items()}
        memory = {name: pss_mb(pids) for name, pids in groups.items()}
    percent = {name: 100 * spent / seconds for name, spent in used.items()}
    rows = tuple((name, memory[name], percent[name]) for name in groups)
    both = "Overstory: guardian and node"
    result = Result("1,000 children, idle")
    columns = ("contender", "PSS MB", "CPU %")
    result.tables.append(Table(f"1,000 C children: {seconds:.0f} s idle", columns, rows))
    result.figures += [
        Figure("guardian and node with 1,000 children: PSS", memory[both], PSS_LIMIT_MB, " MB"),
        Figure("guardian and node with 1,000 children: CPU idle", percent[both], CPU_LIMIT_PERCENT, " %"),
    ]
    return result


def peers(options: Options) -> Result:
    """The peers with as many children, once each: they differ by factors, not by percents."""
    kinds: tuple[type[Contender], ...] = (S6, Runit, Pm2, Circus, Supervisord)
    rows: list[tuple[Cell, ...]] = []
    for kind in kinds if not options.quick else ():
        if options.invites(kind.name):
            with thousand(kind, options) as one:
                rows.append((kind.name, *_once(one)))
    result = Result("1,000 children under the peers")
    if rows:
        columns = ("contender", "start s", "stop s", "PSS MB", "CPU %")
        result.tables.append(Table("1,000 C children under the peers, once", columns, tuple(rows)))
    return result


def _once(one: Fleet) -> tuple[float, float, float, float]:
    started = one.start()
    time.sleep(SETTLE_S)
    before = one.cpu_s()
    time.sleep(PEERS_IDLE_S)
    percent = 100 * (one.cpu_s() - before) / PEERS_IDLE_S
    memory = one.memory_mb()
    return started, one.stop(), memory, percent


ENTRIES = (
    Entry("start-stop", "start and stop of 1,000 children", start_and_stop),
    Entry("idle", "memory and CPU with 1,000 children", idle),
    Entry("peers-many", "the peers with 1,000 children (not with --quick)", peers, PEERS),
)
