"""Streams of tasks: bounded in flight, one outcome for each item, input taken as it is needed.

    for outcome in supervisor.async_stream(charge, orders, max_concurrency=8, timeout=0.5): ...
    async for outcome in supervisor.async_stream(charge, orders): ...

An item is taken from the input only when it may begin, and nothing is begun while nobody asks for outcomes: that is the
backpressure. Who leaves the loop early ends what is in flight.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from .bar import Bar
from .outcome import Exit, Ok, Outcome
from .transporting import Call, Transport
from .window import Window

T = TypeVar("T")
WAIT_S = 0.25
"""How long one look at the outcomes lasts at most; a look ends as soon as there is one."""
START_AT_ONCE = 200


def cpu_count() -> int:
    """CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(slots=True)
class Stream(Generic[T]):
    """Outcomes of `items`, once: iterate over it, or iterate over it asynchronously, not both.

    make       from an item to its call
    start_within   seconds in which a worker has to begin an item; else its outcome is Exit("start_failed(...)")
    progress   None: a bar where standard error is a terminal
    """

    items: Iterable[T]
    make: Callable[[T], Call]
    transport: Transport
    max_concurrency: int | None = None
    ordered: bool = True
    start_within: float | None = None
    progress: bool | None = None
    label: str = "tasks"
    window: Window = field(init=False)
    _ids: dict[str, int] = field(init=False, default_factory=dict)
    _due: dict[str, float] = field(init=False, default_factory=dict)
    _input: Iterator[T] | None = field(init=False, default=None)
    _started: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.window = Window(self.max_concurrency or cpu_count(), self.ordered)

    def __iter__(self) -> Iterator[Outcome]:
        self._begin()
        bar = self._bar()
        try:
            while True:
                self._fill()
                while (found := self.window.pop()) is not None:
                    bar.add(failed=not isinstance(found[1], Ok))
                    yield found[1]
                    self._fill()
                if self._input is None and self.window.is_idle:
                    return
                self._look(WAIT_S)
        finally:
            self._leave()
            bar.close()

    async def __aiter__(self) -> AsyncIterator[Outcome]:
        self._begin()
        bar = self._bar()
        try:
            while True:
                await asyncio.to_thread(self._fill)
                while (found := self.window.pop()) is not None:
                    bar.add(failed=not isinstance(found[1], Ok))
                    yield found[1]
                if self._input is None and self.window.is_idle:
                    return
                await asyncio.to_thread(self._look, WAIT_S)
        finally:
            await asyncio.shield(asyncio.to_thread(self._leave))
            bar.close()

    def _begin(self) -> None:
        if self._started:
            raise RuntimeError("a stream is read once")
        self._started = True
        self._input = iter(self.items)

    def _bar(self) -> Bar:
        total = len(self.items) if isinstance(self.items, Sized) else None
        return Bar(self.label, total, wanted=self.progress)

    def _fill(self) -> None:
        """Begin as many items as there is room for."""
        calls: list[Call] = []
        while self._input is not None and self.window.room and len(calls) < START_AT_ONCE:
            try:
                item = next(self._input)
            except StopIteration:
                self._input = None
                break
            call = self.make(item)
            self._ids[call.id] = self.window.take()
            if self.start_within is not None:
                self._due[call.id] = time.monotonic() + self.start_within
            calls.append(call)
        if calls:
            self.transport.start(calls)

    def _look(self, wait_s: float) -> None:
        if not self._ids:
            return
        self._give_up_late_ones()
        for call_id, outcome in self.transport.outcomes(self._ids.keys(), wait_s).items():
            number = self._ids.pop(call_id, None)
            self._due.pop(call_id, None)
            if number is not None:
                self.window.end(number, outcome)

    def _give_up_late_ones(self) -> None:
        """Each is asked about once: one that has begun by then runs on, and its own time-out bounds it."""
        if self.start_within is None or not self._due:
            return
        now = time.monotonic()
        late = [call_id for call_id, due in self._due.items() if now >= due]
        for call_id in late:
            del self._due[call_id]
        if late:
            self.transport.give_up(late, self.start_within)

    def _leave(self) -> None:
        """What is still in flight is not wanted any more."""
        ids, self._ids = list(self._ids), {}
        if ids:
            self.transport.withdraw(ids)


def failures(outcomes: Iterable[Outcome]) -> list[Exit]:
    """Those that did not end well."""
    return [outcome for outcome in outcomes if isinstance(outcome, Exit)]


def mapped(stream: "Stream[Any]") -> list[Outcome]:
    """All outcomes of a stream."""
    return list(stream)


async def amapped(stream: "Stream[Any]") -> list[Outcome]:
    """The same, asynchronously."""
    return [outcome async for outcome in stream]
