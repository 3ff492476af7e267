"""An application that calls supervise() where there is no Overstory works as without, and leaves nothing in the broker."""

from tests.support.celery_lab import celery_lab


def test_outside_overstory_nothing_is_started_and_nothing_is_left() -> None:
    with celery_lab() as lab:
        lab.worker("alone", OVERSTORY_CHILD="")
        lab.ready("alone")
        lab.shop.nap.delay(1)
        lab.shop.flaky.delay(2)
        lab.wait_lines("end", 1)
        lab.wait_lines("end", 2)
        assert lab.redis.keys("overstory*") == []
        assert "overstory" not in lab.output("alone").read_text().partition("ready.")[2]
