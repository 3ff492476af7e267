"""Agents that import what a real service imports: kill -9 to ready beside every peer, 1,000 at once, what each costs.

The peers run the same imports as a program of its own, which stamps when it has imported; an agent stamps when `run` begins,
after it has said READY.
"""

import contextlib
import subprocess
import sys
import time

from bench.contenders.agents import Agents, ExecdAgents, FirstActs, Spares
from bench.contenders.circus import FastCircus
from bench.contenders.contender import Contender
from bench.contenders.pm2 import Pm2
from bench.contenders.runit import Runit
from bench.contenders.s6 import S6
from bench.contenders.supervisord import Supervisord
from bench.entry import Entry, Options
from bench.fleet import Fleet, fleet
from bench.processes import pss_mb
from bench.report import Cell, Figure, Result, Table
from bench.restarts import PEERS, SETTLE_S, importing_child, run_in_turns
from bench.samples import Series, p50, p99, ratio
from supervision.runtime import agentdoc

COUNT = 8
MANY = 1000
TEMPLATE_FACTOR, SPARE_FACTOR = 25.0, 50.0
FIRST_ACT_LIMIT_MS, READY_LIMIT_S, PSS_LIMIT = 5.0, 5.0, 0.1
SAMPLED = 50
IMPORTS, IMPORTS_QUICK, IMPORT_LIMIT_MS = 100, 30, 100.0
OURS: tuple[type[Agents], ...] = (Agents, FirstActs, Spares)
THEIRS: tuple[type[Contender], ...] = (S6, Runit, Pm2, FastCircus, Supervisord)


def restarts(options: Options) -> Result:
    """One race: ours and the peers side by side, killed in turn."""
    program = importing_child(options)
    ours, theirs, slow = (20, 2, 1) if options.quick else (40, 5, 3)
    kinds: list[tuple[type[Contender], int]] = [(kind, ours) for kind in OURS]
    kinds += [
        (kind, slow if kind is Supervisord else theirs) for kind in THEIRS if options.invites(kind.name)
    ]
    with contextlib.ExitStack() as stack:
        fleets = [
            stack.enter_context(fleet(kind, program, COUNT, below=options.work, tools=options.tools))
            for kind, _ in kinds
        ]
        for one in fleets:
            one.start()
        for one in fleets:
            if isinstance(one.contender, Agents):
                one.contender.wait_spares()
        time.sleep(SETTLE_S)
        for one in fleets:
            one.contender.park()
        series = run_in_turns(fleets, [kills for _, kills in kinds], 2 if options.quick else 3)
        came_from = {one.name: _came_from(one) for one in fleets}
    result = Result("agents, kill -9 to ready", samples={one.name: one.runs for one in series})
    result.tables.append(_table(series, came_from))
    result.figures += _figures(series)
    return result


def _came_from(one: Fleet) -> str:
    return ", ".join(sorted(one.contender.started_by())) if isinstance(one.contender, Agents) else ""


def _table(series: list[Series], came_from: dict[str, str]) -> Table:
    by_name = {one.name: one for one in series}
    template, spare = by_name[Agents.name], by_name[Spares.name]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one.name,
            came_from[one.name],
            p50(one.samples),
            p99(one.samples),
            ratio(one, template, p50),
            ratio(one, spare, p50),
            str(len(one.samples)),
        )
        for one in series
    )
    columns = ("contender", "from", "p50 ms", "p99 ms", "/ template", "/ spare", "kills")
    title = f"kill -9 to ready: {COUNT} agents that import django, celery, redis and psycopg"
    return Table(title, columns, rows)


def _figures(series: list[Series]) -> list[Figure]:
    by_name = {one.name: one for one in series}
    peers = [by_name[kind.name] for kind in THEIRS if kind.name in by_name]
    figures = []
    for kind, limit in ((Agents, TEMPLATE_FACTOR), (Spares, SPARE_FACTOR)):
        fastest = min(peers, key=lambda one: p50(one.samples), default=None)
        value = None if fastest is None else ratio(fastest, by_name[kind.name], p50)
        name = f"agent from a {kind.name.rpartition(' ')[2]}: fastest peer's p50 / ours"
        named = "" if fastest is None else f" ({fastest.name})"
        figures.append(Figure(name + named, value, limit, "x", at_least=True, why="no peer took part"))
    first = by_name[FirstActs.name]
    figures.append(
        Figure("agent from a template: first instruction, p50", p50(first.samples), FIRST_ACT_LIMIT_MS, " ms")
    )
    return figures


def thousand(options: Options) -> Result:
    """1,000 agents from nothing, template included; what one of them costs beside the same agent exec'd."""
    program = importing_child(options)
    with fleet(ExecdAgents, program, 2, below=options.work, tools=options.tools) as alone:
        alone.start()
        time.sleep(SETTLE_S)
        exec_mb = pss_mb([child.stamp.pid for child in alone.living.values()]) / 2
    with fleet(Agents, program, MANY, below=options.work, tools=options.tools, stop="parallel") as many:
        ready_s = many.start()
        time.sleep(SETTLE_S)
        forked = [child.stamp.pid for child in many.living.values()]
        one_mb = pss_mb(forked[:: MANY // SAMPLED]) / SAMPLED
        template_mb = pss_mb([pool["pid"] for pool in many.contender.templates()])  # type: ignore[attr-defined]  # Agents
        stop_s = many.stop()
    result = Result("1,000 agents")
    columns = ("ready s", "stop s", "PSS of one MB", "PSS of the template MB", "PSS of one exec'd MB")
    rows = ((ready_s, stop_s, one_mb, template_mb, exec_mb),)
    result.tables.append(Table("1,000 agents that import django, celery, redis and psycopg", columns, rows))
    result.figures += [
        Figure("1,000 agents from nothing to ready", ready_s, READY_LIMIT_S, " s"),
        Figure("idle agent: PSS / the same agent exec'd", one_mb / exec_mb, PSS_LIMIT, "x"),
    ]
    return result


def imports(options: Options) -> Result:
    """What importing the SDK takes of a program's start, in an interpreter that has imported nothing else."""
    code = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); began = time.perf_counter_ns(); "
        "import {}; print(time.perf_counter_ns() - began)"
    )
    result = Result("import of the SDK")
    rows: list[tuple[Cell, ...]] = []
    for module in ("overstory.notify", "overstory.channel", "overstory.agent"):
        argv = [sys.executable, "-I", "-S", "-c", code.format(module), str(agentdoc.SDK)]
        taken = [
            int(subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout) / 1e6
            for _ in range(IMPORTS_QUICK if options.quick else IMPORTS)
        ]
        result.samples[module] = [taken]
        rows.append((module, p50(taken), p99(taken), str(len(taken))))
        if module == "overstory.agent":
            result.figures.append(Figure("import overstory.agent, p50", p50(taken), IMPORT_LIMIT_MS, " ms"))
    result.tables.append(Table("import of the SDK", ("module", "p50 ms", "p99 ms", "imports"), tuple(rows)))
    return result


ENTRIES = (
    Entry("agents", "kill -9 of an agent to ready, beside every peer", restarts, PEERS),
    Entry("sdk-import", "what importing the SDK takes", imports),
    Entry("agents-many", "1,000 agents at once, and what each costs", thousand),
)
