"""TaskSupervisor: what starts supervised tasks, waits for them, and maps over them.

    shop = TaskSupervisor("shop", app)
    shop.start_child(charge, order)                              # run it, by the restart type of the task
    handle = shop.async_nolink(charge, order, timeout=3)         # wait for its outcome; a failure is a value
    for outcome in shop.async_stream(charge, orders, timeout=0.5): ...
    outcomes = shop.parallel_map(charge, orders, max_concurrency=8)

`async_nolink`, `async_stream` and `parallel_map` run each item once (`temporary`), as Elixir's Task.Supervisor does, unless
`restart` says otherwise. Every start is committed before it is published; with the store away it fails by name within 5 s.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any

from ..errors import NotSupervised
from .calls import CeleryTransport
from .outcome import Exit, Ok, Outcome
from .streams import Stream, amapped, mapped
from .supervisedtask import SupervisedTask
from .taskerrors import NotUnderSupervisor, OutcomeTimeout
from .transporting import Call, Transport

ONE_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Started:
    """A task that was started. `id`: equal in every attempt."""

    id: str


@dataclass(slots=True)
class Handle:
    """A task whose outcome somebody waits for: `handle.outcome(5)`, or `await handle`."""

    id: str
    transport: Transport
    _outcome: Outcome | None = None

    def outcome(self, timeout_s: float | None = None) -> Outcome:
        """How it ended. Raises OutcomeTimeout; the task goes on then."""
        until = None if timeout_s is None else time.monotonic() + timeout_s
        while self._outcome is None:
            left = ONE_LOOK_S if until is None else until - time.monotonic()
            if left <= 0:
                raise OutcomeTimeout(f"task {self.id} has not ended after {timeout_s:g} s")
            self._outcome = self.transport.outcomes([self.id], min(left, ONE_LOOK_S)).get(self.id)
        return self._outcome

    def result(self, timeout_s: float | None = None) -> Any:
        """What it answered. Raises TaskExit where it did not end well, and OutcomeTimeout."""
        ended = self.outcome(timeout_s)
        if isinstance(ended, Exit):
            raise TaskExit(ended)
        return ended.value

    def shutdown(self) -> None:
        """It is not wanted any more: what waits never begins, what runs is killed."""
        self.transport.withdraw([self.id])

    def __await__(self) -> Generator[Any, None, Outcome]:
        return asyncio.to_thread(self.outcome).__await__()


class TaskExit(Exception):  # noqa: N818  an Exit, raised
    """A task that did not end well; `exit` says how."""

    def __init__(self, ended: Exit) -> None:
        super().__init__(f"{ended.reason}: {ended.message}" if ended.message else ended.reason)
        self.exit = ended


class TaskSupervisor:
    """Starts supervised tasks of `app`; restarts count per task name under this supervisor's name.

    `transport`: where calls run; by default the workers of `app`. `policy` overrides what the tasks say of themselves.
    """

    def __init__(self, name: str, app: Any, *, transport: Transport | None = None, **policy: Any) -> None:
        if not 0 < len(name) <= 128:
            raise ValueError("a supervisor has a name of 1 to 128 characters")
        self.name, self._app, self._given, self._policy = name, app, transport, policy

    def start_child(self, task: Any, *args: Any, **kwargs: Any) -> Started:
        """Run the task by its own restart type. Raises NotUnderSupervisor for one that is not supervised."""
        self._check(task)
        call = self._call(task, args, kwargs, None)
        self._transport().start([call])
        return Started(call.id)

    def async_nolink(
        self, task: Any, *args: Any, timeout: float | None = None, restart: str = "temporary", **kwargs: Any
    ) -> Handle:
        """Run it and hand out a handle; its failure is an outcome, and takes nobody with it."""
        self._check(task)
        transport = self._transport(restart=restart)
        call = self._call(task, args, kwargs, timeout)
        transport.start([call])
        return Handle(call.id, transport)

    def async_stream(
        self,
        task: Any,
        items: Iterable[Any],
        *,
        max_concurrency: int | None = None,
        ordered: bool = True,
        timeout: float | None = None,
        start_within: float | None = None,
        restart: str = "temporary",
        progress: bool | None = None,
        args: Callable[[Any], tuple[Any, ...]] | None = None,
    ) -> Stream[Any]:
        """One outcome for each item, in order unless told otherwise; for `for` and for `async for`.

        max_concurrency  items in flight at most; by default the number of CPUs
        timeout          an item that runs longer is killed, with everything it started; Exit("timeout")
        start_within     seconds in which a worker has to begin an item; Exit("start_failed(no worker took it within 5 s)")
        args             from an item to the task's arguments; by default the item is the only one
        """
        self._check(task)
        as_args = args or _alone
        return Stream(
            items,
            lambda item: self._call(task, as_args(item), {}, timeout),
            self._transport(restart=restart),
            max_concurrency=max_concurrency,
            ordered=ordered,
            start_within=start_within,
            progress=progress,
            label=str(getattr(task, "name", "tasks")),
        )

    def parallel_map(self, task: Any, items: Iterable[Any], **options: Any) -> list[Outcome]:
        """The outcomes of all items, in order; `options` as of `async_stream`."""
        return mapped(self.async_stream(task, items, **options))

    async def aparallel_map(self, task: Any, items: Iterable[Any], **options: Any) -> list[Outcome]:
        """The same, asynchronously."""
        return await amapped(self.async_stream(task, items, **options))

    def _transport(self, **policy: Any) -> Transport:
        return self._given or CeleryTransport(self._app, self.name, **{**self._policy, **policy})

    def _check(self, task: Any) -> None:
        if self._given is None and not isinstance(task, SupervisedTask):
            raise NotSupervised(
                f"{getattr(task, 'name', task)!r} is no supervised task: give it base=SupervisedTask, or @supervised"
            )

    def _call(self, task: Any, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None) -> Call:
        return Call(str(uuid.uuid4()), task, args, kwargs, timeout)


def _alone(item: Any) -> tuple[Any, ...]:
    return (item,)


__all__ = ["Exit", "Handle", "NotUnderSupervisor", "Ok", "Started", "TaskExit", "TaskSupervisor"]
