"""Hosts of a fleet on this machine: each a guardian that joined, in a data directory of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.engine import Engine
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


class Host(Engine):
    """A guardian started by `manage.py guardian --join`. `within`: put before its command line, such as `ip netns exec`."""

    def __init__(
        self,
        name: str,
        *,
        database_url: str,
        redis_url: str,
        labels: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
    ) -> None:
        super().__init__(
            environment={
                "DATABASE_URL": database_url,
                "REDIS_URL": redis_url,
                "OVERSTORY_NODE_NAME": name,
            }
        )
        self.name = name
        self.within = list(within)
        said = "".join(f'{key} = "{value}"\n' for key, value in {"host": name, **(labels or {})}.items())
        allowed = 'executables = ["*"]\nusers = ["*"]\nroot_children = true\n'
        (self.data_dir / "node.toml").write_text(f"{allowed}\n[labels]\n{said}")

    def start(self) -> "Host":
        if self.guardian is not None:
            self.guardian.wait(timeout=30)
        log = self.data_dir / "overstory.log"
        argv = [sys.executable, "manage.py", "guardian", "--join", "--data-dir", str(self.data_dir)]
        with (self.data_dir / "stderr").open("ab") as stderr:
            self.guardian = subprocess.Popen(
                [*self.within, *argv, "--log-file", str(log)],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                start_new_session=True,
            )
        self.wait_answer()
        return self

    def stop(self) -> None:
        """In order, by SIGTERM; what was stopped goes on first."""
        self.signal_all(signal.SIGCONT)
        pid = self.guardian_pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            self._wait_gone(pid)
        if self.guardian is not None:
            self.guardian.wait(timeout=30)

    def signal_all(self, number: int) -> list[int]:
        """Guardian, node and helpers first, then the children, as a machine that stops, dies or wakes does."""
        found = self.processes()
        pids = sorted(found, key=lambda pid: (str(self.data_dir) not in found[pid], pid))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return pids

    def die(self) -> None:
        """The host is gone: nothing of it goes on."""
        if self.guardian is not None:
            self.guardian.kill()
        wait_for(lambda: not self.signal_all(signal.SIGKILL), timeout=30, what=f"{self.name} is dead")
        if self.guardian is not None:
            self.guardian.wait(timeout=30)
