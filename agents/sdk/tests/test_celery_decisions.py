"""Decisions of overstory.celery that need no broker: who holds, when a worker is dead, which slot is due, what is parked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab, schedule
from overstory.celery import settings, slots, versions
from overstory.celery.__main__ import named
from overstory.celery.holder import Holder
from overstory.celery.liveness import Facts, why_unhealthy
from overstory.celery.lost import how
from overstory.celery.names import Keys, attempt, ours
from overstory.celery.recovery import decide
from overstory.celery.registry import Row
from overstory.celery.sweep import Missing


def test_a_holder_is_read_back_whole() -> None:
    holder = Holder("n1", "shop/jobs/mail@2", 7, 4711)
    assert str(holder) == "n1/shop/jobs/mail@2/7/4711"
    assert Holder.parse(str(holder)) == holder
    assert holder.life == ("n1", "shop/jobs/mail@2", 7)


@pytest.mark.parametrize("text", ["", "n1", "n1/shop", "n1/shop/x/1", "n1/shop/1/x"])
def test_what_nobody_of_ours_wrote_is_no_holder(text: str) -> None:
    assert Holder.parse(text) is None


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, ""),
        ({"waiting_since": 0.0}, "taken none"),
        ({"waiting_since": 0.0, "consuming": False}, "taken none"),
        ({"waiting_since": 50.0}, ""),
        ({"waiting_since": 0.0, "taken_at": 50.0}, ""),
        ({"waiting_since": 0.0, "has_room": False}, ""),
        ({"waiting_since": 0.0, "broker_answers": False}, ""),
        ({"ticked_at": 0.0}, "main loop"),
        ({"ticked_at": 0.0, "in_the_loop": True}, ""),
        ({"waiting_since": 0.0, "consuming": False, "has_room": False}, "taken none"),
    ],
)
def test_a_worker_is_unhealthy_only_when_it_could_take_and_does_not(
    changed: dict[str, Any], word: str
) -> None:
    facts: dict[str, Any] = {
        "ticked_at": 99.0, "consuming": True, "broker_answers": True, "waiting_since": None, "taken_at": 0.0,
        "has_room": True,
    }  # fmt: skip
    why = why_unhealthy(Facts(**(facts | changed)), now=100.0, stalled_after_s=60.0)
    assert (word in why) if word else (why == "")


def test_without_a_bound_only_a_loop_that_stands_is_unhealthy() -> None:
    facts = Facts(99.0, consuming=True, broker_answers=True, waiting_since=0.0, taken_at=0.0, has_room=True)
    assert why_unhealthy(facts, now=100.0, stalled_after_s=None) == ""


@pytest.mark.parametrize(("lost", "fate"), [(1, "return"), (4, "return"), (5, "park"), (6, "park")])
def test_a_task_is_parked_when_it_was_lost_as_often_as_it_may(lost: int, fate: str) -> None:
    assert decide(lost, 5) == fate


def test_attempts_count_retries_and_losses() -> None:
    assert attempt({}) == 1
    assert attempt({"retries": 2}) == 3
    assert attempt({"retries": 2, "overstory": {"lost": 1}}) == 4
    assert ours({"overstory": "somebody else's"}) == {}


def test_keys_stand_behind_the_brokers_prefix() -> None:
    keys = Keys("app:")
    assert (keys.holders, keys.copies("q"), keys.of("unacked")) == (
        "app:overstory.holders",
        "app:overstory.copies.q",
        "app:unacked",
    )


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", "signal(9)"),
        ("Worker exited prematurely: exitcode 3 Job: 3.", "exit(3)"),
        ("gone", "lost"),
    ],
)
def test_the_end_of_a_pool_child_is_told_in_our_words(words: str, reason: str) -> None:
    assert how(RuntimeError(words)) == reason


NOON = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after_s", "slot_s"),
    [(0.0, None), (9.9, None), (9.96, 10.0), (10.0, 10.0), (19.0, 10.0), (25.0, 20.0), (3600.0, 3600.0)],
)
def test_an_interval_is_due_in_steps_from_its_last_slot(after_s: float, slot_s: float | None) -> None:
    slot = slots.due_slot(schedule(10.0), NOON, NOON + timedelta(seconds=after_s))
    assert slot == (None if slot_s is None else NOON + timedelta(seconds=slot_s))


def test_the_latest_slot_of_a_crontab_is_fired_and_no_older_one() -> None:
    now = datetime.now(UTC).replace(second=30, microsecond=0)
    every_minute = crontab(nowfun=lambda: datetime.now(UTC))
    long_ago = now - timedelta(minutes=7, seconds=11)
    assert slots.due_slot(every_minute, long_ago, now) == now.replace(second=0)
    assert slots.due_slot(every_minute, now.replace(second=0), now) is None


def test_a_mark_tells_its_slot() -> None:
    slot = NOON + timedelta(milliseconds=250)
    assert slots.slot_of(slots.mark(slot, "n1/shop/beat/1/2")) == slot
    assert slots.slot_of("") is None


def row(clear_at: float) -> Row:
    return Row("host", 1, 1, "w", [], 0.0, clear_at)


def test_a_missing_message_is_lost_only_when_every_worker_vouched_after_it_was_missed() -> None:
    missing = Missing()
    missing.update("q", ["one"], 10.0)
    assert missing.lost([row(9.0), row(11.0)]) == []
    assert missing.lost([row(10.5), row(11.0)]) == [("q", "one", 10.0)]
    missing.update("q", ["one", "two"], 12.0)
    assert missing.lost([row(11.0)]) == [("q", "one", 10.0)]
    missing.update("q", ["two"], 13.0)
    assert missing.lost([row(20.0)]) == [("q", "two", 12.0)]
    assert missing.lost([]) == []


def test_settings_are_recommended_only_where_the_user_set_none() -> None:
    app = Celery("mine", broker="memory://", set_as_current=False)
    app.conf.worker_prefetch_multiplier = 9
    app.config_from_object({"task_acks_late": False, "task_soft_time_limit": 5})
    made = settings.recommend(app.conf)
    assert app.conf.task_acks_late is False
    assert app.conf.worker_prefetch_multiplier == 9
    assert app.conf.task_reject_on_worker_lost is True
    assert "task_acks_late" not in made
    app.conf.task_reject_on_worker_lost = False
    assert app.conf.task_reject_on_worker_lost is False


def test_settings_under_a_namespace_are_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Celery("mine", broker="memory://", set_as_current=False)
    app.config_from_object({"CELERY_TASK_ACKS_LATE": False}, namespace="CELERY")
    monkeypatch.setenv(settings.SOFT_SHUTDOWN_VARIABLE, "4")
    settings.recommend(app.conf)
    assert app.conf.task_acks_late is False
    assert app.conf.worker_soft_shutdown_timeout == 4.0


@pytest.mark.parametrize(
    ("found", "is_known"),
    [((5, 6, 3), True), ((5, 7, 0), True), ((5, 6, 2), False), ((5, 8), False), ((), False)],
)
def test_another_version_of_celery_is_said(
    found: tuple[int, ...], is_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "version_of", lambda name: found if name == "celery" else (5, 7, 0))
    assert (versions.why_unknown() == "") is is_known


@pytest.mark.parametrize(
    ("argv", "key", "added"),
    [
        (["--app=shop", "worker", "--pool=solo"], "shop/jobs/mail@2", ["--hostname=shop.jobs.mail.2@%h"]),
        (["--app=shop", "worker", "-n", "mine@%h"], "shop/mail", []),
        (["--app=shop", "worker", "--hostname=mine@%h"], "shop/mail", []),
        (["--app=shop", "beat"], "shop/beat", []),
        (["--app=shop", "worker"], "", []),
        ([], "shop/mail", []),
    ],
)
def test_each_worker_of_a_host_has_a_name_of_its_own(argv: list[str], key: str, added: list[str]) -> None:
    assert named(argv, key) == [*argv, *added]
