"""One look at 1,000 processes: our sampler beside psutil as one would write it, and beside supervisord with memmon.

psutil is used the way its documentation shows: `process_iter` with the names of what is wanted, each second, for whom it
already bundles its reads (`oneshot`). It reads every process of the host that way, some tens more than ours.

They do not see the same. Ours reads CPU, resident memory, descriptors and threads of each process and finds new descendants
each second; shared memory, sockets, storage and switches in turn. psutil reads the same first four; memmon (superlance)
reads resident memory, and starts a `ps` for each process. The figure is processor time of one look, by the kernel's count;
psutil's looks are counted, for on a busy machine they take longer than their second.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from bench.entry import Entry, Options
from bench.processes import end_tree
from bench.report import Figure, Result, Table
from bench.sampler import COUNT, WARM_S, sleepers
from supervision.runtime import boot
from supervision.runtime.link import Link
from supervision.runtime.processes import direct_children

RATIO_LIMIT = 1.0
"""What our look may cost of psutil's, which sees less."""
PSUTIL = """
import sys, time, psutil
wanted, found = set(map(int, sys.argv[1:])), {}
while True:
    began = time.monotonic()
    for process in psutil.process_iter(["cpu_percent", "memory_info", "num_fds", "num_threads"]):
        if process.pid in wanted:
            found[process.pid] = process.info
    print(end=".", flush=True)
    time.sleep(max(0.0, 1 - (time.monotonic() - began)))
"""
MEMMON = """\
[supervisord]
nodaemon=true
user={user}
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
minfds=10000

[unix_http_server]
file={directory}/supervisor.sock

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[program:child]
command=/bin/sleep 3600
process_name=child-%(process_num)05d
numprocs={count}
startsecs=0

[eventlistener:memmon]
command={tools}/venv/bin/memmon -a 100GB
events=TICK_5
"""
TICK_S = 5.0


def used_s(pids: Iterable[int]) -> float:
    """Processor time of these and of what they started and reaped."""
    total = 0
    for pid in pids:
        field = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        total += sum(int(each) for each in field[11:15])
    return total / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def ours(pids: Sequence[int], work: Path) -> Iterator[int]:
    """The sampler, as the node starts it."""
    link, theirs = Link.pair()
    argv = boot.command("sampler", "--runtime-dir", str(work), "--mark-prefix", "bench")
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" 3<&{theirs.fileno()}', "sh", *argv], pass_fds=[theirs.fileno()]
    )
    theirs.close()
    try:
        link.send("children", children=[[f"t/c{n}", 1, pid, 0] for n, pid in enumerate(pids)], whole=True)
        yield process.pid
    finally:
        link.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()


@contextlib.contextmanager
def psutil(pids: Sequence[int], looks: Path) -> Iterator[int]:
    """Writes a character to `looks` for each look."""
    with looks.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", PSUTIL, *map(str, pids)], stdout=out)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def per_look_ms(pids: Sequence[int], seconds: float, looks: Callable[[float], float]) -> float:
    """Processor time of `pids` over a while, for each look; `looks` says how many there were by a moment."""
    time.sleep(WARM_S)
    before, looked = used_s(pids), looks(time.monotonic())
    time.sleep(seconds)
    return 1000 * (used_s(pids) - before) / max(1.0, looks(time.monotonic()) - looked)


def memmon(options: Options, seconds: float) -> float:
    directory = options.work / "memmon"
    directory.mkdir(exist_ok=True)
    config = directory / "supervisord.conf"
    config.write_text(MEMMON.format(user=os.getuid(), directory=directory, count=COUNT, tools=options.tools))
    process = subprocess.Popen(
        [str(options.tools / "venv/bin/supervisord"), "-c", str(config)], stdout=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 60
        while len(direct_children(process.pid)) < COUNT + 1:
            if time.monotonic() > deadline:
                raise RuntimeError("supervisord did not start its children within 60 s")
            time.sleep(0.2)
        [listener] = [
            pid
            for pid in direct_children(process.pid)
            if b"memmon" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        return per_look_ms([process.pid, listener], seconds, lambda at: at / TICK_S)
    finally:
        end_tree(process.pid)
        process.wait()


def watch(options: Options) -> Result:
    """All three in turn."""
    seconds = 10.0 if options.quick else 60.0
    with sleepers(COUNT) as pids:
        with ours(pids, options.work) as pid:
            our_ms = per_look_ms([pid], seconds, lambda at: at)
        looks = options.work / "looks"
        with psutil(pids, looks) as pid:
            psutil_ms = per_look_ms([pid], 3 * seconds, lambda _: float(looks.stat().st_size))
    memmon_ms = memmon(options, max(seconds, 4 * TICK_S))
    found = {"overstory": our_ms, "psutil": psutil_ms, "supervisord with memmon": memmon_ms}
    result = Result("one look at 1,000 processes", samples=found)
    result.figures.append(
        Figure("our look at 1,000 processes, of psutil's", our_ms / psutil_ms, RATIO_LIMIT, "x")
    )
    result.tables.append(
        Table("Processor time of one look", ("who", "ms"), tuple((name, ms) for name, ms in found.items()))
    )
    return result


ABOUT = "what a look at 1,000 processes costs, beside psutil and memmon"
ENTRIES = (Entry("watchers", ABOUT, watch, peers=("supervisor", "superlance")),)
