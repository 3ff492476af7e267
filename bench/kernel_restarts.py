"""How many restarts a second the kernel decides, with 1,000 and with 100,000 children, beside Erlang/OTP.

A restart is one cycle: `Exited` in, `Start` out, `Started` in. The kernel only decides; OTP's figure includes the kill,
the exit signal and the new process, which cost little there. Runs are interleaved, figures are medians. Exits 1 when
100,000 children give fewer than 50,000 restarts a second of CPU time: the kernel is one thread that waits for nothing,
so a neighbour on the machine takes from the wall clock and not from it. Both are shown; OTP's figure is by the wall.

    python bench/kernel_restarts.py [--quick] [--json FILE]
"""

import argparse
import gc
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a file, Python looks beside the file only

from bench.report import Cell, Figure, Table  # noqa: E402
from supervision.kernel import Kernel  # noqa: E402
from supervision.kernel.actions import Start  # noqa: E402
from supervision.kernel.events import Begin, Call, Event, Exited, StartChild, Started  # noqa: E402
from supervision.kernel.spec import ChildSpec, ChildType, Strategy, SupervisorSpec  # noqa: E402

GROUP = 100
STEP = 7919
"""Prime, so that the children take turns in no simple order."""
AT_LEAST = 50_000
SIZES = (1_000, 100_000)
STRATEGIES = (Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE)
NO_LIMIT = 1_000_000_000


class World:
    """A kernel whose children all run, in groups of 100, the groups in supervisors of their own."""

    def __init__(self, strategy: Strategy, children: int) -> None:
        self.kernel = Kernel("tree", _tree(strategy, children // GROUP))
        self.running: dict[str, int] = {}
        self._tell(Begin())
        if strategy == Strategy.SIMPLE_ONE_FOR_ONE:
            for view in [view for view in self.kernel.children() if view.key.count("/") == 2]:
                for number in range(GROUP):
                    self._tell(Call("", StartChild(view.key, instance=f"w{number}")))
        if len(self.running) != children:
            raise RuntimeError(f"{len(self.running)} children run, not {children}")

    def _tell(self, event: Event) -> None:
        pending = [event]
        while pending:
            for action in self.kernel.handle(pending.pop(), now=0.0)[0]:
                if isinstance(action, Start):
                    self.running[action.key] = action.incarnation
                    pending.append(Started(action.key, action.incarnation))

    def restarts_per_second(self, count: int) -> tuple[float, float]:
        """By the wall clock, and by CPU time."""
        handle, running, keys = self.kernel.handle, self.running, [*self.running]
        total, now = len(keys), 0.0
        gc.collect()
        gc.freeze()
        begin, begin_cpu = time.perf_counter(), time.process_time()
        for number in range(count):
            key = keys[number * STEP % total]
            now += 0.00001
            actions, _ = handle(Exited(key, running[key], "signal(9)"), now=now)
            for action in actions:
                if type(action) is Start:
                    running[key] = action.incarnation
                    handle(Started(key, action.incarnation), now=now)
        seconds, cpu = time.perf_counter() - begin, time.process_time() - begin_cpu
        gc.unfreeze()
        return count / seconds, count / cpu


def _tree(strategy: Strategy, groups: int) -> SupervisorSpec:
    """Root, about a hundred supervisors, groups below them."""
    names = (
        ["worker"] if strategy == Strategy.SIMPLE_ONE_FOR_ONE else [f"w{number}" for number in range(GROUP)]
    )
    workers = tuple(ChildSpec(name, body={"command": ["true"]}) for name in names)
    group = SupervisorSpec(NO_LIMIT, 1, strategy=strategy, children=workers)
    groups_by_name = [f"g{number}" for number in range(groups)]
    shelves = [groups_by_name[at : at + 10] for at in range(0, groups, 10)]
    return _over({f"s{at}": _over(dict.fromkeys(shelf, group)) for at, shelf in enumerate(shelves)})


def _over(supervisors: dict[str, SupervisorSpec]) -> SupervisorSpec:
    parts = [
        ChildSpec(name, type=ChildType.SUPERVISOR, supervisor=spec) for name, spec in supervisors.items()
    ]
    return SupervisorSpec(NO_LIMIT, 1, children=tuple(parts))


# --- Erlang ------------------------------------------------------------------------------------------------------------


class Erlang:
    """OTP's own supervisor; absent where `erl` and `erlc` are not installed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        source = ROOT / "bench" / "kernel_restarts.erl"
        subprocess.run(["erlc", "-o", str(directory), str(source)], check=True, timeout=120)
        self.release = self._erl("-eval", "io:format(erlang:system_info(otp_release)), halt().").strip()

    @staticmethod
    def installed() -> bool:
        return shutil.which("erl") is not None and shutil.which("erlc") is not None

    def restarts_per_second(self, strategy: Strategy, children: int, count: int) -> float:
        call = f'kernel_restarts:main(["{strategy}", "{children}", "{count}"]).'
        return float(self._erl("+P", "1000000", "-eval", call))

    def _erl(self, *arguments: str) -> str:
        argv = ["erl", "-noshell", "-pa", str(self.directory), *arguments]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=600).stdout


# --- the comparison ----------------------------------------------------------------------------------------------------


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure the kernel's restarts beside Erlang/OTP's.")
    parser.add_argument("--quick", action="store_true", help="fewer restarts and runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run")
    options = parser.parse_args(argv)
    runs, count = (3, 20_000) if options.quick else (7, 100_000)
    with tempfile.TemporaryDirectory() as directory:
        erlang = Erlang(Path(directory)) if Erlang.installed() else None
        samples = measure(runs, count, erlang)
    note = "" if erlang else "Erlang is not installed here (Debian: erlang-base), so there is no comparison."
    columns = ("contender", "children", "restarts/s", "of CPU time", "runs")
    rows = tuple(_row(name, size, values) for (name, size), values in samples.items())
    print(Table("restarts a second, one at a time, medians", columns, rows, note).text())
    figures = [_figure(strategy, samples[f"kernel, {strategy}", SIZES[-1]]) for strategy in STRATEGIES]
    print("\n".join(f"{figure.verdict}: {figure.sentence()}" for figure in figures))
    if options.json:
        options.json.write_text(
            json.dumps({f"{name}, {size} children": v for (name, size), v in samples.items()})
        )
    return int(any(figure.verdict != "ok" for figure in figures))


Run = tuple[float, float | None]


def _row(name: str, size: int, values: list[Run]) -> tuple[Cell, ...]:
    cpu = [by_cpu for _, by_cpu in values if by_cpu is not None]
    return name, size, median(wall for wall, _ in values), median(cpu) if cpu else None, str(len(values))


def _figure(strategy: Strategy, values: list[Run]) -> Figure:
    by_cpu = median(cpu for _, cpu in values if cpu is not None)
    return Figure(
        f"kernel, {strategy}, {SIZES[-1]:,} children",
        by_cpu,
        AT_LEAST,
        " restarts/s of CPU time",
        at_least=True,
    )


def measure(runs: int, count: int, erlang: Erlang | None) -> dict[tuple[str, int], list[Run]]:
    """Restarts a second of every run, by the wall clock and by CPU time, by contender and number of children."""
    worlds = {(strategy, size): World(strategy, size) for strategy in STRATEGIES for size in SIZES}
    samples: dict[tuple[str, int], list[Run]] = {}
    for _ in range(runs):
        for (strategy, size), world in worlds.items():
            samples.setdefault((f"kernel, {strategy}", size), []).append(world.restarts_per_second(count))
            if erlang is not None:
                name = f"OTP {erlang.release}, {strategy}"
                samples.setdefault((name, size), []).append(
                    (erlang.restarts_per_second(strategy, size, count), None)
                )
    return samples


if __name__ == "__main__":
    sys.exit(main())
