"""Nodes that really join: an engine whose guardian was told of the stores that the tests use, with its courier."""

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Protocol

from django.conf import settings

from supervision.auditlog.actor import Actor
from supervision.fleet.models import Node
from supervision.runtime.node_helpers import STORES_VARIABLE
from tests.support.database import TestStores
from tests.support.engine import Engine
from tests.support.waiting import wait_for

ANN = Actor.system("ann")
WAIT_S = 60


class Urls(Protocol):
    """Where two stores are."""

    @property
    def database_url(self) -> str: ...

    @property
    def redis_url(self) -> str: ...


class Joined(Engine):
    """One host of the fleet."""

    def __init__(self, stores: Urls, database: str) -> None:
        url = stores.database_url.replace("/overstory?", f"/{database}?")
        super().__init__(
            environment={STORES_VARIABLE: "given", "DATABASE_URL": url, "REDIS_URL": stores.redis_url}
        )

    def row(self) -> Node:
        """Its node as the store knows it, once it joined."""

        def look() -> Node | None:
            return Node.objects.filter(pk=self.node_id()).first()

        return wait_for(look, timeout=WAIT_S, what=f"joined; {self.log()[-2000:]}")

    def courier_pid(self) -> int | None:
        helpers = self.call("status")["helpers"]
        return next((helper["pid"] for helper in helpers if helper["name"] == "courier"), None)

    def kill_courier(self, number: int = signal.SIGKILL) -> None:
        with contextlib.suppress(ProcessLookupError):
            pid = self.courier_pid()
            if pid is not None:
                os.kill(pid, number)

    def seq(self) -> int:
        """Number of the newest record of the journal."""
        return int(self.call("trees")["journal_seq"])

    def wait_shipped(self) -> int:
        """Everything that is in the journal now is stored; its last number."""
        from supervision.journal.services import cursor_of

        wanted = self.seq()
        epoch = int(self.call("trees")["stream_epoch"])

        def stored() -> bool:
            return cursor_of(node_id=self.node_id(), stream_epoch=epoch) >= wanted

        wait_for(stored, timeout=WAIT_S, what=f"record {wanted} is stored; {self.log()[-3000:]}")
        return wanted


@contextlib.contextmanager
def joined(stores: TestStores) -> Iterator[Joined]:
    host = Joined(stores, str(settings.DATABASES["default"]["NAME"]))
    with host:
        host.row()
        yield host
