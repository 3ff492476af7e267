"""Two beats on one schedule: no slot is fired twice, and the slot of a killed one fires soon."""

import itertools
import signal

from tests.support.celery_lab import Line, celery_lab

EVERY_S = 2.0


def test_two_beats_fire_each_slot_once_and_a_killed_ones_slot_fires_when_it_is_back() -> None:
    with celery_lab() as lab:
        lab.worker("a")
        lab.beat("x", EVERY_S=str(EVERY_S))
        lab.ready("a")
        lab.wait_lines("start", 0, count=1)
        lab.beat("y", EVERY_S=str(EVERY_S))
        lab.wait_lines("start", 0, count=5)

        lab.processes["x.1"].send_signal(signal.SIGKILL)
        lab.wait_lines("start", 0, count=7)
        between = [later.at - sooner.at for sooner, later in _pairs(lab.lines("start", 0))]
        # One slot fired twice would be two firings within moments; one left out, twice the time.
        assert min(between) > EVERY_S / 2, between
        assert max(between) < EVERY_S * 1.9, between

        lab.processes["y.1"].send_signal(signal.SIGKILL)
        lab.processes["y.1"].wait()
        last = lab.lines("start", 0)[-1].at
        lab.beat("y", incarnation=2, EVERY_S=str(EVERY_S))
        after = lab.wait_lines("start", 0, count=len(lab.lines("start", 0)) + 1)[-1].at
        assert after - last < EVERY_S + 10.0


def _pairs(lines: list[Line]) -> list[tuple[Line, Line]]:
    return list(itertools.pairwise(lines))
