"""Streams over the transport in memory: real processes, killed at their time."""

import asyncio
import io
import os
import signal
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from overstory.celery.bar import Bar
from overstory.celery.memory import ForkTransport
from overstory.celery.outcome import Exit, Ok, Outcome
from overstory.celery.supervisors import TaskExit, TaskSupervisor
from overstory.celery.taskerrors import OutcomeTimeout
from overstory.celery.transporting import Call

FOREVER_S = 600
TIMEOUT_S = 2.0
"""Met by what hangs, which hangs for good, and never by what does not, however busy the machine is."""


def work(item: int) -> int:
    if item % 10 == 3:
        raise ValueError(f"{item} is odd in its own way")
    if item % 10 == 7:
        time.sleep(FOREVER_S)
    return item * 2


def double(item: int) -> int:
    return item * 2


def hang(_item: object) -> None:
    time.sleep(FOREVER_S)


def die(_item: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def expected(item: int) -> Outcome:
    if item % 10 == 3:
        return Exit("exception(ValueError)", f"{item} is odd in its own way")
    return Exit("timeout") if item % 10 == 7 else Ok(item * 2)


@pytest.fixture
def transport() -> Iterator[ForkTransport]:
    before = _own_children()
    made = ForkTransport()
    yield made
    assert _own_children() == before  # no process is left


def _own_children() -> set[int]:
    """Zombies too; the process that runs the tests has some of its own."""
    return {
        int(word) for task in Path("/proc/self/task").glob("*/children") for word in task.read_text().split()
    }


def shop(transport: ForkTransport) -> TaskSupervisor:
    return TaskSupervisor("shop", None, transport=transport)


def test_one_outcome_for_each_item_in_order_and_never_more_than_the_bound(transport: ForkTransport) -> None:
    stream = shop(transport).async_stream(work, range(60), max_concurrency=6, timeout=TIMEOUT_S)
    assert list(stream) == [expected(item) for item in range(60)]
    assert stream.window.most_in_flight == 6
    assert transport.most <= 6


def test_unordered_is_as_they_end(transport: ForkTransport) -> None:
    found = list(
        shop(transport).async_stream(work, range(20), max_concurrency=4, timeout=TIMEOUT_S, ordered=False)
    )
    assert sorted(map(repr, found)) == sorted(repr(expected(item)) for item in range(20))
    assert isinstance(found[-1], Exit)  # a hanging one ends last


def test_input_is_taken_as_it_is_needed_and_no_further(transport: ForkTransport) -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        number = 0
        while True:
            taken.append(number)
            yield number
            number += 1

    outcomes = iter(shop(transport).async_stream(double, endless(), max_concurrency=3))
    assert taken == []
    assert [next(outcomes) for _ in range(5)] == [Ok(0), Ok(2), Ok(4), Ok(6), Ok(8)]
    assert len(taken) <= 5 + 2 * 3
    outcomes.close()  # type: ignore[attr-defined]  # a generator; what is in flight ends


def test_who_leaves_early_leaves_no_process(transport: ForkTransport) -> None:
    outcomes = iter(
        shop(transport).async_stream(hang, range(4), max_concurrency=4, timeout=0.05, ordered=False)
    )
    assert next(outcomes) == Exit("timeout")
    outcomes.close()  # type: ignore[attr-defined]
    assert not transport._running


def test_an_input_that_raises_ends_what_is_in_flight(transport: ForkTransport) -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="the file is gone"):
        list(shop(transport).async_stream(hang, items(), max_concurrency=1, timeout=0.1))
    assert not transport._running


def test_the_asynchronous_form_has_the_same_outcomes(transport: ForkTransport) -> None:
    async def run() -> list[Outcome]:
        return await shop(transport).aparallel_map(work, range(20), max_concurrency=4, timeout=TIMEOUT_S)

    assert asyncio.run(run()) == [expected(item) for item in range(20)]


def test_a_handle_waits_for_one(transport: ForkTransport) -> None:
    supervisor = shop(transport)
    assert supervisor.async_nolink(double, 4).result(10) == 8
    assert supervisor.async_nolink(die, 4).outcome(10) == Exit("signal(9)")
    with pytest.raises(TaskExit, match="ValueError"):
        supervisor.async_nolink(work, 3).result(10)
    handle = supervisor.async_nolink(hang, 1)
    with pytest.raises(OutcomeTimeout):
        handle.outcome(0.02)
    handle.shutdown()
    assert handle.outcome(10) == Exit("shutdown", state="revoked")


def test_parallel_map_of_nothing_is_nothing(transport: ForkTransport) -> None:
    assert shop(transport).parallel_map(double, []) == []


def test_a_stream_is_read_once(transport: ForkTransport) -> None:
    stream = shop(transport).async_stream(double, range(2))
    assert len(list(stream)) == 2
    with pytest.raises(RuntimeError, match="once"):
        list(stream)


def test_a_timeout_counts_from_when_the_call_begins(
    transport: ForkTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, opener = os.pipe()
    begin = ForkTransport._child

    def held_up(call: Call, writer: int) -> None:
        os.read(gate, 1)
        begin(call, writer)

    monkeypatch.setattr(ForkTransport, "_child", staticmethod(held_up))
    handle = shop(transport).async_nolink(double, 4, timeout=TIMEOUT_S)
    assert transport.outcomes([handle.id], 0.05) == {}
    assert [one.deadline for one in transport._running.values()] == [None]
    os.write(opener, b"x")
    assert handle.result(60) == 8
    os.close(gate)
    os.close(opener)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_on_a_terminal_only() -> None:
    for out, is_drawn in ((Terminal(), True), (io.StringIO(), False)):
        bar = Bar("charge", 4, wanted=None, stream=out)
        for number in range(4):
            bar.add(failed=number == 2)
        bar.close()
        assert ("4/4" in out.getvalue() and "1 failed" in out.getvalue()) is is_drawn


def test_a_bar_without_a_total_counts() -> None:
    bar = Bar("charge", None, wanted=False)
    bar.add(failed=False)
    assert "charge 1 " in bar.text(time.monotonic() + 1)


def test_only_supervised_tasks_are_started_through_celery() -> None:
    from celery import Celery
    from overstory.celery.supervisedtask import SupervisedTask, attempt, supervised
    from overstory.celery.taskerrors import NotUnderSupervisor
    from overstory.errors import NotSupervised

    app = Celery("shop", broker="memory://", set_as_current=False)

    @app.task(name="plain")  # type: ignore[untyped-decorator]  # celery has no types
    def plain() -> None: ...

    @supervised(app, name="charge", restart="permanent", timeout=3)
    def charge(order: Any) -> Any:
        return order

    assert isinstance(charge, SupervisedTask)
    assert charge(7) == 7  # as a function it is one
    for start in (charge.delay, charge.apply_async, charge.apply):
        with pytest.raises(NotUnderSupervisor, match="charge is a supervised task"):
            start((7,))
    with pytest.raises(NotSupervised, match="no supervised task"):
        TaskSupervisor("shop", app).start_child(plain)
    with pytest.raises(NotSupervised):
        TaskSupervisor("shop", app).start_child(charge, 7)  # no node to commit it
    with pytest.raises(NotSupervised):
        attempt()


class NobodyTakes(ForkTransport):
    """Odd items wait for ever, as no worker consumes their queue; they fail when they are given up."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: dict[str, Outcome | None] = {}
        self.asked: list[tuple[str, ...]] = []

    def start(self, calls: Sequence[Call]) -> None:
        odd = [call for call in calls if call.args[0] % 2]
        self.waiting |= dict.fromkeys([call.id for call in odd])
        super().start([call for call in calls if call not in odd])

    def outcomes(self, ids: Collection[str], wait_s: float) -> dict[str, Outcome]:
        ended = {call_id: outcome for call_id, outcome in self.waiting.items() if outcome is not None}
        self.waiting = {call_id: outcome for call_id, outcome in self.waiting.items() if outcome is None}
        return ended or super().outcomes(ids, min(wait_s, 0.02))

    def give_up(self, ids: Collection[str], within_s: float) -> None:
        self.asked.append(tuple(ids))
        self.waiting |= {call_id: Exit("start_failed(late)") for call_id in ids if call_id in self.waiting}


def test_an_item_that_nobody_takes_in_time_is_given_up_once_and_the_others_are_not(
    transport: ForkTransport,
) -> None:
    made = NobodyTakes()
    supervisor = TaskSupervisor("test", None, transport=made)
    stream = supervisor.async_stream(double, range(6), max_concurrency=6, start_within=0.2, progress=False)
    assert list(stream) == [
        Ok(item * 2) if item % 2 == 0 else Exit("start_failed(late)") for item in range(6)
    ]
    asked = [call_id for ids in made.asked for call_id in ids]
    assert len(asked) == len(set(asked)) >= 3
