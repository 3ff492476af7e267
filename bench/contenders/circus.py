"""circus: one watcher with n processes, at its default check of every 5 s and at one of every 10 ms."""

from typing import ClassVar

from bench.contenders.contender import DaemonContender

CONFIG = """\
[circus]
check_delay = {check_delay}
endpoint = ipc://{directory}/control
pubsub_endpoint = ipc://{directory}/events
statsd = false

[watcher:child]
cmd = {command}
numprocesses = {count}
warmup_delay = 0
max_retry = -1
copy_env = true
"""


class Circus(DaemonContender):
    """As installed."""

    name = "circus, default"
    check_delay: ClassVar[float] = 5.0

    def prepare(self) -> None:
        (self.room.directory / "circus.ini").write_text(
            CONFIG.format(
                check_delay=self.check_delay,
                directory=self.room.directory,
                command=" ".join(self.room.argv("$(circus.wid)")),
                count=self.room.count,
            )
        )

    def launch(self) -> None:
        self.spawn([str(self.room.tools / "venv/bin/circusd"), "circus.ini"])


class FastCircus(Circus):
    """Looks a hundred times a second, which costs a good part of a core."""

    name = "circus, 0.01 s"
    check_delay = 0.01
    polls = True
