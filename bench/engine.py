"""A guardian with its node in a data directory of the benchmark's own."""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from bench.processes import end_tree, gone_within, restore_nofile
from supervision.runtime import boot
from supervision.runtime.client import ControlClient, ControlError
from supervision.runtime.journal_reader import read
from supervision.runtime.paths import Paths

ANSWER_TIMEOUT_S = 30.0
END_TIMEOUT_S = 60.0
MANY_RESTARTS = 1_000_000
"""An intensity that no benchmark exhausts: what is measured is the restart, not when OTP stops restarting."""


class EngineError(Exception):
    """The engine did not start, or did not do what it was asked in time."""


def tree(
    name: str, argvs: list[list[str]], *, user: str | None = None, stop: str = "ordered"
) -> dict[str, Any]:
    """A tree document: one supervisor over a child for each argv."""
    extra = {"user": user} if user is not None else {}
    children = [
        {"id": f"c{index}", "process": {"command": argv, **extra}} for index, argv in enumerate(argvs)
    ]
    supervisor = {"intensity": MANY_RESTARTS, "period": 1, "stop": stop, "children": children}
    return {"version": 1, "tree": name, "supervisor": supervisor}


class Engine:
    """Started by `start`; `close` ends everything of it. It ends by itself when the benchmark does (its lifeline closes)."""

    def __init__(
        self, directory: Path, environment: dict[str, str], *, on_guardian_death: str = "stop"
    ) -> None:
        self.data_dir = directory / "data"
        self.paths = Paths(self.data_dir)
        self._environment = environment
        self._mode = on_guardian_death
        self._guardian: subprocess.Popen[bytes] | None = None
        self._lifeline = -1

    def start(self) -> None:
        """Start a guardian and wait until its node answers. Raises EngineError with its log."""
        self.data_dir.mkdir(mode=0o700)
        # Root's own rule, that a child names its user, is not what is measured.
        (self.data_dir / "node.toml").write_text('root_children = true\nusers = ["root", "nobody"]\n')
        ours, self._lifeline = os.pipe()
        argv = boot.command(
            "guardian", "--data-dir", str(self.data_dir), "--on-guardian-death", self._mode,
            "--lifeline-fd", str(ours), "--log-file", str(self.data_dir / "overstory.log"),
        )  # fmt: skip
        with (self.data_dir / "stderr").open("ab") as log:
            self._guardian = subprocess.Popen(
                argv, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                pass_fds=(ours,), start_new_session=True, preexec_fn=restore_nofile,
            )  # fmt: skip
        os.close(ours)
        self.client().close()

    def client(self, timeout_s: float = ANSWER_TIMEOUT_S) -> ControlClient:
        """A connection to the node, as soon as there is one. Raises EngineError after `timeout_s` seconds."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                return ControlClient(self.paths.control_socket)
            except ControlError as error:
                if time.monotonic() > deadline:
                    raise EngineError(f"the node does not answer: {error}\n{self.log()[-3000:]}") from error
                time.sleep(0.005)

    def call(self, op: str, **args: Any) -> Any:
        """One operation on a connection of its own."""
        with self.client() as client:
            return client.call(op, timeout_s=END_TIMEOUT_S, **args)

    def guardian_pid(self) -> int:
        return int(json.loads(self.paths.runtime_json.read_text())["guardian_pid"])

    def node_pid(self) -> int:
        with self.client() as client:
            return client.hello.pid

    def helper_pids(self) -> list[int]:
        """The node's crash-only children, which are counted apart."""
        return [int(one["pid"]) for one in self.call("tree")["node"]["helpers"] if one["pid"]]

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The journal's records of one kind."""
        return [dict(record) for record in read(str(self.paths.journal_dir)) if record["k"] == kind]

    def log(self) -> str:
        """What guardian and node said."""
        parts = []
        for name in ("overstory.log", "stderr"):
            with contextlib.suppress(OSError):
                parts.append((self.data_dir / name).read_text(errors="replace"))
        return "\n".join(parts)

    def close(self) -> None:
        """Stop it as its user would; what does not stop is ended by force."""
        if self._guardian is None:
            return
        pid = self._guardian.pid
        with contextlib.suppress(OSError, ValueError, KeyError):
            pid = self.guardian_pid()  # of a promoted one, which became our child when the first one died
        # A promoted guardian has no lifeline any more: what follows the death of the first one is a service's life.
        with contextlib.suppress(ControlError, EngineError):
            self.call("shutdown")
        os.close(self._lifeline)
        if not gone_within(pid, END_TIMEOUT_S):
            end_tree(pid)
        if self._guardian.pid != pid:
            end_tree(self._guardian.pid)
        self._guardian.wait(END_TIMEOUT_S)
        self._guardian = None
