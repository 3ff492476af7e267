"""The sampler with 1,000 children: what reading all of them once a second costs.

The helper itself, as the node starts it, told of 1,000 processes; its processor time over a while, by the kernel's count.
"""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator

from bench.entry import Entry, Options
from bench.processes import cpu_s, pss_mb
from bench.report import Figure, Result, Table
from supervision.runtime import boot
from supervision.runtime.link import Link

COUNT = 1000
LIMIT_PERCENT = 5.0
WARM_S = 5.0


@contextlib.contextmanager
def sleepers(count: int) -> Iterator[list[int]]:
    """Pids of `count` processes that do nothing."""
    made = [subprocess.Popen(["/bin/sleep", "3600"]) for _ in range(count)]
    try:
        yield [process.pid for process in made]
    finally:
        for process in made:
            process.kill()
        for process in made:
            process.wait()


def sample(options: Options) -> Result:
    """Watch the sampler at work."""
    seconds = 10.0 if options.quick else 60.0
    link, theirs = Link.pair()
    with sleepers(COUNT) as pids:
        argv = boot.command("sampler", "--runtime-dir", str(options.work), "--mark-prefix", "bench")
        # As the node does: the channel is descriptor 3.
        process = subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" 3<&{theirs.fileno()}', "sh", *argv], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        try:
            link.send("children", children=[[f"t/c{n}", 1, pid, 0] for n, pid in enumerate(pids)], whole=True)
            time.sleep(WARM_S)
            before = cpu_s([process.pid])
            time.sleep(seconds)
            percent = 100 * (cpu_s([process.pid]) - before) / seconds
            memory = pss_mb([process.pid])
        finally:
            link.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
    result = Result("sampling 1,000 children", samples={"percent": percent, "pss_mb": memory})
    result.figures.append(Figure("sampler with 1,000 processes, of one core", percent, LIMIT_PERCENT, " %"))
    result.tables.append(
        Table("1,000 processes, each read once a second", ("CPU %", "PSS MB"), ((percent, memory),))
    )
    return result


ENTRIES = (Entry("sampler", "what sampling 1,000 children costs", sample),)
