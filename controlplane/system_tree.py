"""The system tree: the embedded stores and the web server, as ordinary children of one_for_one.

Started in order behind readiness; nothing here takes a user's tree with it, and a store that restarts does not take the web
server with it. The document is made by code because it holds this machine's paths.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.redis_server import RedisServer
from supervision.runtime.paths import Paths

ROOT = Path(__file__).resolve().parents[1]
NAME = "system"
BACKOFF = {"initial": "50ms", "factor": 10, "cap": "10s", "jitter": 0, "reset_after": "30s"}
"""The first restart is at once; the third wait is longer than the period, so that a store whose disk is full, or a port that
is taken, never uses up the intensity and takes the others down."""
HTTP_SOCKET_FD = 3
"""LISTEN_FDS starts here; the web server has one socket."""


@dataclass(frozen=True, slots=True)
class SystemTree:
    """What the instance runs for itself; a store given by URL is not started."""

    paths: Paths
    port: int
    postgres: PostgresServer | None
    redis: RedisServer | None
    given: tuple[str, ...] = ()
    """Names of the URLs that were given: the web server gets them by reference, for they may hold a password."""

    def document(self) -> dict[str, Any]:
        """The tree document. Any: its values are checked by the tree's own parser."""
        stores = [store.child() for store in (self.postgres, self.redis) if store is not None]
        web = self._web(depends_on=[str(store["id"]) for store in stores])
        children = [{**child, "backoff": BACKOFF} for child in (*stores, web)]
        return {
            "version": 1,
            "tree": NAME,
            "on_failure": {"action": "retry", "initial": "1s", "factor": 2, "cap": "30s"},
            "supervisor": {
                "strategy": "one_for_one",
                "intensity": 3,
                "period": "5s",
                "children": children,
            },
        }

    def _web(self, depends_on: list[str]) -> dict[str, Any]:
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "--fd",
            str(HTTP_SOCKET_FD),
            "--no-access-log",
            "--no-server-header",
        ]
        process: dict[str, Any] = {
            "command": [*command, "controlplane.asgi:application"],
            "cwd": str(ROOT),
            "environment": {
                "OVERSTORY_DATA_DIR": str(self.paths.data_dir),
                "DJANGO_SETTINGS_MODULE": "controlplane.settings",
                **{name: {"secret": name} for name in self.given},
            },
            "sockets": [{"name": "http", "type": "tcp", "address": f"127.0.0.1:{self.port}"}],
            "readiness": {
                "http": {"url": f"http://127.0.0.1:{self.port}/livez", "status": 200},
                "interval": "100ms",
                "timeout": "2s",
                "deadline": "60s",
            },
        }
        return {"id": "web", "shutdown": "10s", "depends_on": depends_on, "process": process}
