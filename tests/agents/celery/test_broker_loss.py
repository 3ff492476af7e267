"""The moments in which a broker that is killed could take a task with it, each held open: what a pool child was given and
did not say yet that it began, what had arrived and was not read yet, what the broker forgot of its last moments.
"""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.celery_lab import CeleryLab, celery_lab
from tests.support.waiting import wait_for

PIDBOX = "/0.celery.pidbox"
"""What every worker listens to beside its queues."""


def test_what_a_pool_child_was_given_runs_once_and_nothing_waits_behind_it() -> None:
    """Celery alone gives it to another child too, takes the first for idle, and has the next tasks wait behind it unseen."""
    with celery_lab() as lab:
        worker = lab.worker("a", concurrency=2)
        lab.ready("a")
        with stopped(*children_of(worker.pid)):
            lab.shop.hold.delay(1)
            wait_for(lambda: lab.left["held"] == 1, timeout=30, what="the worker has it")
            at = clear_at(lab)
            wait_for(
                lambda: clear_at(lab) > at,
                timeout=30,
                what="its loop went round since, and wrote it to a child",
            )
            lose_and_bring_back(lab)
            lab.said("a", "Connected to", times=2)
        lab.wait_lines("start", 1)
        for number in (2, 3, 4, 5):
            lab.shop.nap.delay(number)
        for number in (2, 3, 4, 5):
            lab.wait_lines("end", number)
        lab.release(1)
        lab.wait_lines("end", 1)
        assert len(lab.lines("start", 1)) == 1
        nothing_is_left(lab)


def test_a_worker_whose_children_are_busy_since_before_takes_nothing() -> None:
    """Celery alone takes one message, which waits behind what runs though another worker is idle."""
    with celery_lab() as lab:
        lab.worker("a")
        lab.ready("a")
        lab.shop.hold.delay(1)
        lab.wait_lines("start", 1)
        lose_and_bring_back(lab)
        lab.said("a", "Connected to", times=2)
        at = clear_at(lab)
        lab.shop.nap.delay(2)
        wait_for(lambda: clear_at(lab) > at + 1, timeout=30, what="its loop went round, with a message there")
        assert lab.left["queued"] == 1
        lab.worker("b")
        lab.wait_lines("end", 2)
        assert not lab.lines("end", 1)
        lab.release(1)
        lab.wait_lines("end", 1)
        lab.shop.nap.delay(3)
        lab.wait_lines("end", 3)
        nothing_is_left(lab)
        assert [len(lab.lines("start", number)) for number in (1, 2, 3)] == [1, 1, 1]


def test_what_is_read_while_the_lost_connection_is_closed_goes_back_into_its_queue() -> None:
    """The reply was there when the broker died. Celery reads it as it closes, notes that it holds it, and forgets it."""
    with celery_lab() as lab:
        worker = lab.worker("a")
        lab.ready("a")
        wait_for(lambda: waiting(lab) == 1, timeout=30, what="the worker waits at the queue")
        with stopped(worker.pid):
            lab.redis.publish(
                PIDBOX, "nothing"
            )  # so that the loop learns of the loss by this connection first
            lab.shop.nap.delay(1)
            wait_for(lambda: lab.left["queued"] == 0, timeout=30, what="the broker gave it to the worker")
            lose_and_bring_back(lab)
        lab.wait_lines("end", 1)
        nothing_is_left(lab)


def test_what_a_broker_forgot_that_it_was_told_is_told_again_and_what_nobody_knows_runs_again() -> None:
    """A Redis that is killed while its disk is busy starts without its last moments, up to two seconds of them."""
    with celery_lab() as lab:
        lab.worker("a")
        lab.ready("a")
        lab.shop.nap.delay(1, 1.0)
        wait_for(lambda: lab.left["held"] == 1, timeout=30, what="the worker has it")
        before = {key: lab.redis.hgetall(key) for key in ("unacked", "overstory.holders")}
        (tag,) = before["unacked"]
        nothing_is_left(lab)
        unknown = b"another"
        for key, values in before.items():
            lab.redis.hset(key, mapping=values)
        message = before["unacked"][tag].replace(tag, unknown)
        lab.redis.hset("unacked", unknown, message)
        lab.redis.hset("overstory.holders", unknown, before["overstory.holders"][tag])
        lose_and_bring_back(lab)
        nothing_is_left(lab)
        assert sorted((line.what, line.number) for line in lab.lines("end")) == [("end", 1), ("end", 1)]


def test_a_message_that_comes_after_the_last_room_is_gone_goes_back_to_those_who_have_some() -> None:
    """A task with a later start gives its room back when it begins. kombu lets what comes then lie until there is room."""
    with celery_lab() as lab:
        lab.worker("a", concurrency=2)
        lab.ready("a")
        lab.shop.hold.apply_async((1,), countdown=1.5)
        wait_for(lambda: lab.left["held"] == 1, timeout=30, what="the worker has what is to start later")
        lab.shop.hold.delay(2)
        lab.wait_lines("start", 1)
        lab.wait_lines("start", 2)
        lab.shop.nap.delay(3)
        at = clear_at(lab)
        wait_for(lambda: clear_at(lab) > at + 1, timeout=30, what="its loop went round, with a message there")
        assert (lab.left["queued"], lab.left["held"]) == (1, 2)
        lab.worker("b")
        lab.wait_lines("end", 3)
        lab.release(1, 2)
        lab.wait_lines("end", 1)
        lab.wait_lines("end", 2)
        nothing_is_left(lab)


def lose_and_bring_back(lab: CeleryLab) -> None:
    lab.kill_redis()
    lab.start_redis()


def nothing_is_left(lab: CeleryLab) -> None:
    wait_for(
        lambda: not any(lab.left.values()), timeout=60, what=f"nothing is left in the broker: {lab.left}"
    )


def waiting(lab: CeleryLab) -> int:
    return sum(1 for each in lab.redis.client_list() if "b" in each.get("flags", ""))


def clear_at(lab: CeleryLab) -> float:
    """When the one worker last said that nothing was on its way to it."""
    (row,) = lab.redis.hvals("overstory.workers")
    return float(json.loads(row)["clear_at"])


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """They do nothing meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
