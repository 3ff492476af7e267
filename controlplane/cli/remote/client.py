"""A ControlClient's counterpart over REST: requests overlap, and `fileno` is readable when one is answered.

Each request has a thread of its own that talks HTTP and hands its answer over through a queue and an eventfd; everything
else happens in the caller's thread, as with the socket.
"""

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any

from controlplane.cli.remote import operations
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from supervision.runtime.client import ControlError, DeadlineError, Hello, NodeUnreachableError, Pending
from supervision.runtime.clock import Clock, SystemClock

Operation = Callable[[Api, Mapping[str, Any]], Any]


class RemoteClient:
    """Speaks the operations of the control socket. Not for threads; close it or use it as a context manager."""

    def __init__(self, address: Address, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self.api = Api(address)
        self.hello = Hello(address.url, 0, 1)
        self._answers: queue.SimpleQueue[tuple[int, Any, ControlError | None]] = (
            queue.SimpleQueue()
        )  # audit: ignore[SUP501] one for each request
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._pending: dict[int, Pending] = {}
        self._next_id = 1
        self._closed = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> "RemoteClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go; what was asked goes on, its answers are lost."""
        with self._lock:
            if not self._closed.is_set():
                self._closed.set()
                os.close(self._event)

    def fileno(self) -> int:
        return self._event

    def call(self, op: str, *, timeout_s: float | None = None, **args: Any) -> Any:
        """Ask and wait for the result. Raises ControlError as answered, DeadlineError after `timeout_s` seconds."""
        pending = self.begin(op, **args)
        if not self.poll(pending, timeout_s=timeout_s):
            self.forget(pending)
            raise DeadlineError(f"{self.api.address.url} did not answer {op} within {timeout_s:g} s")
        return pending.value()

    def begin(self, op: str, **args: Any) -> Pending:
        """Send a request; `poll` waits for it. `watch` is never answered: readers ask again by themselves."""
        pending = Pending(self._next_id, op)
        self._next_id += 1
        self._pending[pending.id] = pending
        if op == "watch":
            return pending
        carry_out = operations.OPERATIONS.get(op)
        if carry_out is None:
            pending.done = True
            words = f"`{op}` is done on the host itself, not from another machine"
            pending.error = ControlError("refused", words)
            return pending
        # It puts the outcome of its request, of any kind, into the queue; the command waits for that, not for the thread.
        thread = threading.Thread(
            target=self._run, args=(pending.id, carry_out, args), daemon=True
        )  # audit: ignore[SUP101] see above
        thread.start()
        return pending

    def poll(self, pending: Pending, *, timeout_s: float | None = None) -> bool:
        """Wait until `pending` is answered; False when it was not within `timeout_s` seconds."""
        deadline = None if timeout_s is None else self._clock.boot() + timeout_s
        while not pending.done:
            left = None if deadline is None else deadline - self._clock.boot()
            if left is not None and left <= 0:
                return False
            select.select([self._event], [], [], left)
            self.drain()
        return True

    def stream(self, op: str, *, quiet_s: float | None = None, **args: Any) -> Iterator[Any]:
        """One event, the answer: no operation that is asked from afar has several."""
        yield self.call(op, **args)

    def drain(self) -> None:
        """Take every answer that is here already, without waiting."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._event)
        while True:
            try:
                number, result, error = self._answers.get_nowait()
            except queue.Empty:
                return
            pending = self._pending.pop(number, None)
            if pending is not None:
                pending.done, pending.result, pending.error = True, result, error
                if isinstance(error, NodeUnreachableError) and pending.op != "tree":
                    raise error  # as the socket's connection would have broken

    def forget(self, pending: Pending) -> None:
        """Drop what still comes for `pending`."""
        self._pending.pop(pending.id, None)

    def _run(self, number: int, carry_out: Operation, args: Mapping[str, Any]) -> None:
        """In the request's thread."""
        result, error = None, None
        try:
            result = carry_out(self.api, args)
        except ControlError as refusal:
            error = refusal
        except Exception as fault:  # noqa: BLE001  the outermost frame of this thread: whoever waits must hear of it
            error = ControlError("internal", f"{type(fault).__name__}: {fault}")
        self._answers.put((number, result, error))
        with self._lock, contextlib.suppress(OSError):
            if not self._closed.is_set():
                os.eventfd_write(self._event, 1)
