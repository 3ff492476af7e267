"""A real guardian with a real node in a data directory of its own, for tests that kill things."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from multiprocessing.connection import wait as wait_ready
from pathlib import Path
from typing import Any

from supervision.runtime import boot
from supervision.runtime.client import ControlClient, ControlError
from supervision.runtime.journal_reader import read
from supervision.runtime.paths import Paths
from tests.support.waiting import wait_for

PYTHON = sys.executable
SLEEP = ["/bin/sleep", "3600"]


def child(child_id: str, command: list[str] | None = None, **fields: Any) -> dict[str, Any]:
    """A process child of a tree document; `process=` adds to its section."""
    section = {"command": command or SLEEP, **fields.pop("process", {})}
    return {"id": child_id, "kind": "process", "process": section, **fields}


def tree(
    name: str, *children: dict[str, Any], on_failure: dict[str, Any] | None = None, **flags: Any
) -> dict[str, Any]:
    """A tree document."""
    document: dict[str, Any] = {
        "version": 1,
        "tree": name,
        "supervisor": {**flags, "children": list(children)},
    }
    if on_failure is not None:
        document["on_failure"] = on_failure
    return document


def python(code: str) -> list[str]:
    """An argv that runs `code` in a bare interpreter."""
    return [PYTHON, "-I", "-S", "-c", code]


class Engine:
    """Starts, asks and kills one instance. Leave the `with` and everything of it is gone, or the test fails."""

    def __init__(
        self, *, on_guardian_death: str = "promote", environment: Mapping[str, str] | None = None
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="ovs-")
        self.data_dir = Path(self._directory.name) / "data"
        self.paths = Paths(self.data_dir)
        self.mode = on_guardian_death
        self.environment = {**os.environ, **(environment or {})}
        self.guardian: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self.data_dir.mkdir(mode=0o700)
        (self.data_dir / "node.toml").write_text("root_children = true\n")

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> "Engine":
        """Start a guardian and wait until its node answers."""
        if self.guardian is not None:
            self.guardian.wait(timeout=30)  # a test killed it
        read_end, write_end = os.pipe()
        os.set_inheritable(read_end, True)
        log = self.data_dir / "overstory.log"
        argv = boot.command(
            "guardian", "--data-dir", str(self.data_dir), "--on-guardian-death", self.mode,
            "--lifeline-fd", str(read_end), "--log-file", str(log),
        )  # fmt: skip
        stderr = (self.data_dir / "stderr").open("ab")
        self.guardian = subprocess.Popen(
            argv, env=self.environment, pass_fds=(read_end,), stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr,
            start_new_session=True,
        )  # fmt: skip
        stderr.close()
        os.close(read_end)
        self._drop_lifeline()
        self._lifeline = write_end
        self.wait_answer()
        return self

    def wait_answer(self) -> dict[str, Any]:
        """The node's status once it answers."""

        def ask() -> dict[str, Any] | None:
            with contextlib.suppress(ControlError, OSError), self.client() as client:
                answer: dict[str, Any] = client.call("status", timeout_s=5)
                return answer
            if self.guardian is not None and self.guardian.poll() is not None and self.mode == "stop":
                raise AssertionError(f"guardian ended: {self.log()}")
            return None

        return wait_for(ask, timeout=30, what=f"node answers; {self.log()[-2000:]}")

    def stop(self) -> None:
        """Let go of the lifeline: the guardian stops everything. Fails when a process of ours remains."""
        pid = self.guardian_pid()
        self._drop_lifeline()
        if pid is not None:
            if self.guardian is None or pid != self.guardian.pid:
                with contextlib.suppress(ProcessLookupError):
                    # A promoted guardian has no lifeline.
                    os.kill(pid, signal.SIGTERM)  # audit: ignore[SUP303] it holds our directory
            self._wait_gone(pid)
        if self.guardian is not None:
            self.guardian.wait(timeout=30)
        left = self.processes()
        assert not left, f"left after stop: {left}; {self.log()[-3000:]}"

    def _wait_gone(self, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            ready = wait_ready([pidfd], 60)
            assert ready, f"guardian {pid} does not stop: {self.log()[-3000:]}"
        finally:
            os.close(pidfd)

    def _drop_lifeline(self) -> None:
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def __enter__(self) -> "Engine":
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self.stop()
        finally:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._directory.cleanup()

    # -- asking -----------------------------------------------------------------------------------------------------

    def client(self) -> ControlClient:
        return ControlClient(self.paths.control_socket)

    def call(self, op: str, **args: Any) -> Any:
        """One operation on a connection of its own, tried again while the node is being replaced."""
        deadline_tries = 200
        for attempt in range(deadline_tries):
            try:
                with self.client() as client:
                    return client.call(op, timeout_s=60, **args)
            except ControlError as error:
                if error.code != "unreachable" or attempt == deadline_tries - 1:
                    raise
                wait_for(self.wait_answer, timeout=30)
        raise AssertionError("unreachable")

    def apply(self, document: dict[str, Any], message: str = "") -> Any:
        return self.call("apply", spec=document, message=message)

    def guardian_pid(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return int(json.loads(self.paths.runtime_json.read_text())["guardian_pid"])
        return None

    def node_pid(self) -> int:
        return int(self.wait_answer()["pid"])

    def views(self) -> dict[str, dict[str, Any]]:
        """Every child and supervisor by key."""
        found: dict[str, dict[str, Any]] = {}

        def walk(item: dict[str, Any]) -> None:
            found[item["key"]] = item
            for below in item.get("children", ()):
                walk(below)

        for one in self.call("tree")["trees"]:
            walk(one["root"])
        return found

    def child(self, key: str) -> dict[str, Any]:
        return self.views()[key]

    def pid_of(self, key: str) -> int | None:
        """None while it is not there or does not run."""
        pid: int | None = self.views().get(key, {}).get("pid")
        return pid

    def wait_state(self, key: str, state: str, *, timeout: float = 30, **also: Any) -> dict[str, Any]:
        """The child once it is in `state` and has the fields of `also`."""

        def probe() -> dict[str, Any] | None:
            view = self.views().get(key)
            if view is not None and view["state"] == state and all(view[name] == also[name] for name in also):
                return view
            return None

        return wait_for(probe, timeout=timeout, what=f"{key} is {state} {also}; is {self.views().get(key)}")

    def wait_incarnation(self, key: str, above: int, *, timeout: float = 30) -> dict[str, Any]:
        """The child once it runs in a later incarnation."""

        def probe() -> dict[str, Any] | None:
            view = self.views().get(key)
            return view if view and view["state"] == "running" and view["incarnation"] > above else None

        return wait_for(probe, timeout=timeout, what=f"{key} above incarnation {above}")

    def records(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The journal as it stands."""
        return [dict(r) for r in read(str(self.paths.journal_dir)) if kind is None or r["k"] == kind]

    def log(self) -> str:
        parts = []
        for name in ("overstory.log", "stderr"):
            with contextlib.suppress(OSError):
                parts.append((self.data_dir / name).read_text(errors="replace"))
        return "\n".join(parts)

    # -- processes --------------------------------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """pid -> command line of every process that carries this data directory or node in its environment or argv."""
        found = {}
        needle = str(self.data_dir).encode()
        mark = b"OVERSTORY_NODE=" + self.node_id().encode() if self.node_id() else None
        for pid in _pids():
            with contextlib.suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
                environment = Path(f"/proc/{pid}/environ").read_bytes()
                if pid != os.getpid() and (needle in command or (mark is not None and mark in environment)):
                    found[pid] = command.replace(b"\0", b" ").decode(errors="replace")
        return found

    def node_id(self) -> str:
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(self.paths.node_json.read_text())["node_id"])
        return ""

    def kill_node(self) -> int:
        """kill -9 of the node; its pid."""
        pid = self.node_pid()
        os.kill(pid, signal.SIGKILL)
        return pid


def _pids() -> Iterator[int]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            yield int(entry.name)


def alive(pid: int) -> bool:
    """Whether `pid` exists and is no zombie."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text()
        return text.rpartition(")")[2].split()[0] != "Z"
    return False
