"""A client of the intake, as an SDK is one: requests by hand, to an application of its own over the test's database."""

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from django.db import connection
from psycopg.conninfo import make_conninfo

from controlplane.intake.application import Intake
from controlplane.intake.committing import Committer
from controlplane.intake.hearing import Hearing
from controlplane.intake.keys import Doors
from controlplane.intake.quota import Quota
from controlplane.intake.spool import Spool
from controlplane.intake.wiring import look_up
from supervision.runtime.clock import ManualClock

KEY = "6f1c2b7a9d3e4f508192a3b4c5d6e7f8"
NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
NOWHERE = "host=/nowhere/at/all dbname=x"
AUTH = {"X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=7"}


def _test_database() -> str:
    found = connection.settings_dict
    return make_conninfo(
        host=found["HOST"], port=found["PORT"] or None, dbname=found["NAME"], user=found["USER"]
    )


class Client:
    """Sends requests to an intake in a loop of its own."""

    def __init__(
        self,
        spool: Path,
        *,
        database_url: str | None = None,
        clock: ManualClock | None = None,
        redis_url: str | None = None,
    ) -> None:
        """With `redis_url` it hears of changed keys, once the intake is started."""
        self.clock = clock or ManualClock()
        self.passed_on: list[str] = []
        self.url = url = database_url or _test_database()

        async def pages(scope: Any, receive: Any, send: Any) -> None:
            self.passed_on.append(scope["path"])

        def make() -> Committer:
            self.committer = Committer(url, Spool(spool))
            return self.committer

        self.doors = Doors(look_up, self.clock.boot)
        self.heard: list[tuple[int, str]] = []
        self.begun = 0

        def changed(project: int, key: str) -> None:
            self.doors.changed(project, key)
            self.heard.append((project, key))

        def missed() -> None:
            self.doors.doubt()
            self.begun += 1

        self.intake = Intake(
            pages,
            doors=self.doors,
            hearing=Hearing(redis_url, changed=changed, missed=missed) if redis_url else None,
            quota=Quota(self.clock.boot),
            committer=make,
            now=lambda: NOW,
        )

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            try:
                return await work()
            finally:
                await self.intake.stop()

        return asyncio.run(whole())

    async def ask(
        self,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        query: str = "",
    ) -> tuple[int, Any, dict[str, str]]:
        parts = [body[at : at + 997] for at in range(0, len(body), 997)] or [b""]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
        }
        await self.intake(scope, receive, send)
        if not sent:
            return 0, None, {}
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return sent[0]["status"], json.loads(sent[1]["body"]), told

    def one(self, *arguments: Any, **more: Any) -> tuple[int, Any, dict[str, str]]:
        answer: tuple[int, Any, dict[str, str]] = self.run(lambda: self.ask(*arguments, **more))
        return answer
