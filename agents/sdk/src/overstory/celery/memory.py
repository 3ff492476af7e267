"""A transport without Celery, for tests of users' own code: each call is a forked process of its own.

It keeps what the real one promises: a timeout kills, one outcome for each call, nothing is left when it is withdrawn.
"""

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from .outcome import Exit, Ok, Outcome
from .transporting import Call

BEGUN = b"\n"
"""What a call says first; its answer follows. Its timeout counts from then, not while it waits for a CPU to begin."""


@dataclass(slots=True)
class _Running:
    """`deadline`: None until the call said that it began, and without a timeout."""

    pid: int
    fd: int
    timeout_s: float | None
    deadline: float | None = None
    data: bytes = b""


class ForkTransport:
    """Runs calls of plain functions. Not for programs with threads: a fork copies only the one that forks."""

    def __init__(self) -> None:
        self._running: dict[str, _Running] = {}
        self._ended: dict[str, Outcome] = {}
        self.most = 0

    def start(self, calls: Sequence[Call]) -> None:
        for call in calls:
            reader, writer = os.pipe2(os.O_CLOEXEC)
            pid = os.fork()
            if pid == 0:
                self._child(call, writer)
            os.close(writer)
            self._running[call.id] = _Running(pid, reader, call.timeout_s)
        self.most = max(self.most, len(self._running))

    @staticmethod
    def _child(call: Call, writer: int) -> None:
        """Never returns."""
        code = 1
        try:
            os.setpgid(0, 0)
            os.write(writer, BEGUN)
            try:
                answer = {"value": call.task(*call.args, **call.kwargs)}
            except Exception as error:  # noqa: BLE001  it becomes the outcome
                answer = {"reason": f"exception({type(error).__name__})", "message": str(error)}
            os.write(writer, json.dumps(answer).encode())
            code = 0
        finally:
            os._exit(code)

    def outcomes(self, ids: Collection[str], wait_s: float) -> dict[str, Outcome]:
        until = time.monotonic() + wait_s
        while True:
            found = {call_id: self._ended.pop(call_id) for call_id in list(ids) if call_id in self._ended}
            now = time.monotonic()
            if found or now >= until or not self._running:
                return found
            soonest = min((one.deadline for one in self._running.values() if one.deadline), default=until)
            self._wait(max(0.0, min(until, soonest) - now))

    def _wait(self, seconds: float) -> None:
        poll = select.poll()
        by_fd = {one.fd: call_id for call_id, one in self._running.items()}
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        for fd, _ in poll.poll(seconds * 1000 + 1):
            one = self._running[by_fd[fd]]
            data = os.read(fd, 65536)
            if data and not one.data and one.timeout_s is not None:
                one.deadline = time.monotonic() + one.timeout_s
            one.data += data
            if not data:
                self._reap(by_fd[fd], one, None)
        now = time.monotonic()
        for call_id, one in list(self._running.items()):
            if one.deadline is not None and now >= one.deadline:
                self._reap(call_id, one, Exit("timeout"))

    def _reap(self, call_id: str, one: _Running, forced: Outcome | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(one.pid, signal.SIGKILL)
        _, status = os.waitpid(one.pid, 0)
        os.close(one.fd)
        del self._running[call_id]
        self._ended[call_id] = forced or _outcome(one.data, status)

    def give_up(self, ids: Collection[str], within_s: float) -> None:
        """Nothing ever waits here: each call began when it was started."""

    def withdraw(self, ids: Collection[str]) -> None:
        for call_id in list(ids):
            one = self._running.get(call_id)
            if one is not None:
                self._reap(call_id, one, Exit("shutdown", state="revoked"))


def _outcome(data: bytes, status: int) -> Outcome:
    if data.strip():
        answer = json.loads(data)
        return Ok(answer["value"]) if "value" in answer else Exit(answer["reason"], answer["message"])
    return Exit(f"signal({os.WTERMSIG(status)})" if os.WIFSIGNALED(status) else "lost")
