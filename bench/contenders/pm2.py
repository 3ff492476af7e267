"""PM2: an ecosystem file with one app per child, in a PM2_HOME of its own. Its daemon detaches itself."""

import contextlib
import json
import os
import subprocess

from bench.contenders.contender import END_TIMEOUT_S, Contender
from bench.processes import end_tree


class Pm2(Contender):
    """Fork mode without an interpreter, as PM2 runs programs that are not JavaScript."""

    name = "PM2"
    command: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        apps = [
            {
                "name": f"child-{index}",
                "script": argv[0],
                "args": argv[1:],
                "interpreter": "none",
                "exec_mode": "fork",
                "autorestart": True,
                "max_restarts": 1_000_000,
                "vizion": False,
                "out_file": str(self.room.directory / f"{index}.out"),
                "error_file": str(self.room.directory / f"{index}.err"),
            }
            for index in range(self.room.count)
            for argv in [self.room.argv(index)]
        ]
        (self.room.directory / "ecosystem.config.json").write_text(json.dumps({"apps": apps}))

    def launch(self) -> None:
        self._run("start", "ecosystem.config.json")

    def halt(self) -> None:
        self._run("kill")

    def halted(self) -> None:
        if self.command is not None:
            self.command.wait(END_TIMEOUT_S)

    def daemons(self) -> list[int]:
        with contextlib.suppress(OSError, ValueError):
            return [int((self.room.directory / "pm2.pid").read_text())]
        return []

    def close(self) -> None:
        for pid in self.daemons():
            end_tree(pid)
        if self.command is not None:
            end_tree(self.command.pid)
            self.command.wait(END_TIMEOUT_S)

    def _run(self, *words: str) -> None:
        """One command of PM2's own client, not waited for."""
        environment = self.room.environment() | {
            "PM2_HOME": str(self.room.directory),
            "PM2_DISABLE_VERSION_CHECK": "true",
        }
        environment["PATH"] = os.environ.get("PATH", environment["PATH"])  # node may stand anywhere
        self.halted()
        with (self.room.directory / "daemon.log").open("ab") as log:
            self.command = subprocess.Popen(
                [str(self.room.tools / "npm/node_modules/.bin/pm2"), *words],
                cwd=self.room.directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
