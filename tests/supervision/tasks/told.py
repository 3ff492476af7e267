"""What workers say, for tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

from supervision.tasks.starting import Start, start_runs
from supervision.tasks.telling import Told, take_in

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOLDER = "n1/shop/mail@1/3/100"
OTHER = "n1/shop/mail@2/1/200"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def event(kind: str, *, seconds: float = 0.0, task: str = "t1", **fields: Any) -> Told:
    body = {
        "id": task, "name": "shop.mail", "queue": "mail", "holder": HOLDER, "pid": 101, "attempt": 1, "lost": 0,
        "at": at(seconds).timestamp(), "published_at": at(-1).timestamp(),
    }  # fmt: skip
    return Told(f"task.{kind}", {**body, **fields})


def tell(*events: Told, now: datetime = NOW) -> None:
    take_in(events=events, now=now)


def start(task: str = "s1", **spec: Any) -> None:
    start_runs(
        starts=[Start(task, "shop.charge", "shop.celery:app", "mail", supervisor="shop", spec=spec)],
        node_id="n1",
        now=NOW,
    )
