"""Silence: what a process waited for a processor does not count; what it slept, spun or was stopped does."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from supervision.runtime.silence import Processor, Silence, processor_of
from tests.support.waiting import wait_for

SPIN = [sys.executable, "-I", "-S", "-c", "while True: pass"]


def had(ran_s: float, waited_s: float, *, runnable: bool = False) -> Processor:
    return Processor(ran_s, waited_s, runnable)


def test_it_lasts_from_the_last_beat_on() -> None:
    silence = Silence(10.0)
    assert silence.look(11.0, had(0, 0)) == 1.0
    silence.beat(12.0)
    assert silence.look(12.5, had(0, 0)) == 0.5
    assert silence.look(15.0, had(0, 0)) == 3.0


def test_what_it_waited_for_a_processor_meanwhile_is_excused() -> None:
    silence = Silence(0.0)
    silence.look(0.75, had(5, 100.0))
    assert silence.look(2.75, had(5.1, 101.9)) == pytest.approx(0.85)
    assert silence.look(4.75, had(5.2, 103.9)) == pytest.approx(0.85)
    assert silence.look(6.75, had(5.2, 103.9)) == pytest.approx(2.85), "it hung, after all"


def test_a_wait_that_is_not_over_is_excused_too() -> None:
    silence = Silence(0.0)
    silence.look(1.0, had(5, 1, runnable=True))
    assert silence.look(3.0, had(5, 1, runnable=True)) == 1.0
    assert silence.look(5.0, had(5, 5, runnable=True)) == 1.0


def test_one_that_spins_is_silent_however_little_it_waits() -> None:
    silence = Silence(0.0)
    silence.look(1.0, had(5, 1, runnable=True))
    assert silence.look(4.0, had(7.9, 1.1, runnable=True)) == pytest.approx(3.9)


def test_what_was_waited_before_a_beat_excuses_nothing_behind_it() -> None:
    silence = Silence(0.0)
    silence.look(1.0, had(0, 1.0))
    silence.beat(5.0)
    assert silence.look(6.0, had(0, 6.0)) == 1.0
    assert silence.look(7.0, had(0, 6.0)) == 2.0


def test_where_nobody_counts_all_of_it_is_silence() -> None:
    silence = Silence(0.0)
    silence.look(1.0, None)
    assert silence.look(3.0, had(0, 2.0)) == 3.0


@contextlib.contextmanager
def running(argv: list[str]) -> Iterator[int]:
    program = subprocess.Popen(argv)
    try:
        yield program.pid
    finally:
        program.kill()
        program.wait()


def now_of(pid: int) -> Processor:
    found = processor_of(pid)
    assert found is not None
    return found


def test_one_that_gets_no_processor_waits_and_one_that_is_stopped_does_not() -> None:
    cpu = {min(os.sched_getaffinity(0))}
    with ExitStack() as stack:
        crowd = [stack.enter_context(running(SPIN)) for _ in range(4)]
        for pid in crowd:
            os.sched_setaffinity(pid, cpu)
        stopped = crowd.pop()
        os.kill(stopped, signal.SIGSTOP)
        os.waitid(os.P_PID, stopped, os.WSTOPPED | os.WNOWAIT)
        at_first, before = now_of(stopped), now_of(crowd[0])
        wait_for(lambda: now_of(crowd[0]).waited_s > before.waited_s + 0.3, timeout=30)
        after = now_of(crowd[0])
        assert after.is_runnable
        assert after.ran_s > before.ran_s
        assert now_of(stopped) == at_first
        assert not at_first.is_runnable


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    with running(SPIN) as pid:
        pass
    assert processor_of(pid) is None
