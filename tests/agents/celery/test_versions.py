"""With a Celery that nobody has looked into, workers run as they do alone, and what is off is said aloud."""

from pathlib import Path

from tests.support.celery_lab import PROGRAMS, SDK, celery_lab

PRETEND = """
import importlib.metadata

by_python = importlib.metadata.version
importlib.metadata.version = lambda name: "5.9.0" if name == "celery" else by_python(name)
"""


def test_with_an_unknown_celery_recovery_is_off_aloud_and_tasks_run(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRETEND)
    with celery_lab() as lab:
        lab.worker("a", PYTHONPATH=f"{tmp_path}:{SDK}:{PROGRAMS}")
        lab.ready("a")
        lab.said("a", "recovery of lost tasks is off: celery 5.9.0, and known are >=5.6.3,<5.8")
        lab.shop.nap.delay(1)
        lab.wait_lines("end", 1)
        assert not lab.redis.hlen("overstory.holders")
        assert not lab.redis.hlen("overstory.workers")
