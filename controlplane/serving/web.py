"""One web process: `python -m controlplane.serving.web`.

It serves the socket that the node holds open for it (LISTEN_FDS), so that no connection is refused while it restarts: what
arrives meanwhile waits, or is taken by the process beside it. Ready when it serves, which does not depend on the stores: a
page must be able to say that one is away.
"""

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from controlplane.serving import notify
from controlplane.serving.loading import loading
from controlplane.serving.probing import Probing
from controlplane.serving.sockets import SharingProtocol
from controlplane.serving.subpath import SubPath

if TYPE_CHECKING:
    from controlplane.dashboard.live.service import Live
    from controlplane.intake.application import Intake

FIRST_FD = 3
"""LISTEN_FDS starts here: the loopback port, and a Unix socket for programs on this host."""
GRACE_S = 6
"""What requests in flight may take when we are asked to stop; less than the child's `shutdown`."""
DRAIN_S = 0.2
"""Between the last connection taken and closing the idle ones: a request on its way in is heard and answered."""
KEEP_ALIVE_S = 75
"""Longer than a reverse proxy keeps an idle connection (60 s): whoever closes first should not be us."""


class Server(uvicorn.Server):
    """Says when it serves and that its loop turns; asked to stop, it answers what was already on its way."""

    _alive: asyncio.Task[None]

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._alive = asyncio.create_task(notify.stay_alive())
        self._intake.start()
        self._live.ensure()
        notify.ready("serving")
        from controlplane.serving.warming import warm

        warm()

    def __init__(self, config: uvicorn.Config, intake: "Intake", live: "Live") -> None:
        super().__init__(config)
        self._intake = intake
        self._live = live

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._alive.cancel()
        notify.tell("STOPPING=1", "STATUS=stopping")
        for server in self.servers:
            server.close()
        await asyncio.sleep(DRAIN_S)
        await super().shutdown(sockets)
        await self._live.stop()
        await self._intake.stop()


def server() -> Server:
    from django.conf import settings

    from controlplane.asgi import application  # settings are read here, and the stores' addresses with them
    from controlplane.dashboard.live.service import LIVE
    from controlplane.intake.wiring import intake
    from controlplane.operations.readiness import readiness
    from controlplane.serving.database import share_connections
    from controlplane.system_tree import WEB_INSTANCES

    checks = readiness()
    checks.start()
    share_connections(away_since=lambda: checks.failing_since("db"))
    root = settings.REACHABLE.prefix
    gate = intake(application, processes=WEB_INSTANCES)
    config = uvicorn.Config(
        SubPath(Probing(gate, checks, root), root),
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        # Nobody is believed about another's address unless the operator says so: it stands in the audit log.
        proxy_headers=bool(os.environ.get("OVERSTORY_TRUSTED_PROXIES")),
        forwarded_allow_ips=os.environ.get("OVERSTORY_TRUSTED_PROXIES", ""),
        ws=SharingProtocol,
        ws_max_size=64 * 1024,
    )
    return Server(config, gate, LIVE)


def listening() -> list[socket.socket]:
    """The sockets that the node holds open for us. Files of Unix sockets are for their owner only."""
    found = [socket.socket(fileno=FIRST_FD + number) for number in range(int(os.environ["LISTEN_FDS"]))]
    for each in found:
        if each.family == socket.AF_UNIX:
            Path(each.getsockname()).chmod(0o600)
    return found


if __name__ == "__main__":
    with loading():
        made = server()
    made.run(listening())
