"""The same load on workers of a tree and on plain Celery, in one run: what kills cost, and what supervision costs."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.support.celery_chaos import (
    CONCURRENCY,
    WORKERS,
    Chaos,
    Contender,
    Fault,
    Found,
    Plain,
    Supervised,
)
from tests.support.celery_lab import CeleryLab, celery_lab
from tests.support.engine import Engine
from tests.support.waiting import wait_for

pytestmark = pytest.mark.soak
FAULTS: tuple[Fault, ...] = ("child", "worker", "broker")
ROUNDS, BURST, PATIENCE_S = 5, 30, 12.0
TASKS, NOOPS = 1500, 3000
PUBLISH = """
import sys, shop
count, name, arguments = int(sys.argv[1]), sys.argv[2], [0.01] if sys.argv[2] == "shop.rest" else []
with shop.app.producer_pool.acquire() as producer:
    for _ in range(count):
        shop.app.send_task(name, arguments, producer=producer, ignore_result=True)
"""


def test_what_the_same_kills_cost_plain_celery(capsys: pytest.CaptureFixture[str]) -> None:
    said = []
    for fault in FAULTS:
        with celery_lab() as lab, Engine() as engine:
            ours = _kills(lab, Supervised(lab, engine), fault)
        with celery_lab() as lab:
            plain = _kills(lab, Plain(lab), fault)
        said += [_words(f"supervised, {fault}", ours), _words(f"plain, {fault}", plain)]
        assert ours.lost == []
    with capsys.disabled():
        print("\n" + "\n".join(said))


def _kills(lab: CeleryLab, contender: Contender, fault: Fault) -> Found:
    chaos = Chaos(lab, contender, patience_s=PATIENCE_S)
    chaos.run(fault, ROUNDS, burst=BURST)
    return chaos.finish()


def _words(who: str, found: Found) -> str:
    waits = [None if wait is None else round(wait, 2) for waits in found.waits.values() for wait in waits]
    return f"{who}: {found.tasks} tasks, lost {len(found.lost)}, repeated {found.repeated}, again after {waits} s"


def test_supervision_costs_less_than_a_twentieth_of_the_throughput(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rates: dict[str, list[float]] = {}
    for name, count in (("shop.rest", TASKS), ("shop.noop", NOOPS)):
        for _ in range(2):
            with celery_lab() as lab, Engine() as engine:
                ours = _rate(lab, name, count, lambda lab=lab, engine=engine: Supervised(lab, engine))  # type: ignore[misc]
            with celery_lab() as lab:
                plain = _rate(lab, name, count, lambda lab=lab: Plain(lab))  # type: ignore[misc]
            rates.setdefault(f"{name} supervised", []).append(ours)
            rates.setdefault(f"{name} plain", []).append(plain)
    with capsys.disabled():
        print(f"\n{WORKERS} workers of {CONCURRENCY}, tasks a second: {rates}")
    assert max(rates["shop.rest supervised"]) >= 0.95 * max(rates["shop.rest plain"])


def _rate(lab: CeleryLab, name: str, count: int, start: Callable[[], Contender]) -> float:
    """Tasks a second from the first that is taken to the last that is acknowledged; all were queued before."""
    subprocess.run(
        [sys.executable, "-c", PUBLISH, str(count), name],
        env=lab.environment(), cwd=lab.directory, check=True, timeout=120,
    )  # fmt: skip
    start()
    wait_for(lambda: lab.redis.llen("celery") < count - 50, timeout=90, what="they work")
    began, left = time.monotonic(), int(lab.redis.llen("celery"))
    wait_for(
        lambda: not lab.left["queued"] and not lab.left["unacked"], timeout=300, what="everything is done"
    )
    return round(left / (time.monotonic() - began), 1)
