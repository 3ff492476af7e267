"""The system tree: Overstory supervises itself, as ordinary children of one_for_one.

    postgres ─ migrate ─┬─ web@1 web@2
    redis ──────────────┼─ worker
                        ├─ beat
                        ├─ digester
                        └─ controller

Started in order behind readiness; nothing here takes a user's tree with it, and a store that restarts does not take the web
server with it. The document is made by code because it holds this machine's paths.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.redis_server import RedisServer
from controlplane.operations.release import code_digest, store_digest
from controlplane.reachable import Reachable
from supervision.runtime.desired import DesiredStore
from supervision.runtime.paths import Paths

ROOT = Path(__file__).resolve().parents[1]
NAME = "system"
MIGRATE = "migrate"
"""The child that has completed when schema and static files are current."""
BACKOFF = {"initial": "50ms", "factor": 10, "cap": "10s", "jitter": 0, "reset_after": "30s"}
"""The first restart is at once; the third wait is longer than the period, so that a store whose disk is full, or a port that
is taken, never uses up the intensity and takes the others down."""
EACH = 3
"""Restarts in a period that the supervisor allows for each child: many that are killed at once are no reason to stop those
that live."""
LOCAL_SOCKET = "web.sock"
"""In the runtime directory, 0600: what the loopback port serves, for `supervisorctl -s unix://…` and the like."""
WEB_INSTANCES = 2
"""One answers while the other restarts; both serve one socket."""
PASSED_ON = (
    "OVERSTORY_WEBHOOK_NETWORKS",
    "OVERSTORY_METRICS_NETWORKS",
    "OVERSTORY_ALLOWED_HOSTS",
    "OVERSTORY_ROOT_PATH",
    "OVERSTORY_TRUSTED_PROXIES",
    "OVERSTORY_PUBLIC_URL",
)
"""Settings of ours in the environment of whoever starts the instance; no secret among them."""


def web_environment(paths: Paths) -> dict[str, str]:
    """What the web server of this host was started with, which a second terminal does not know: port, path, public address.
    {} where none was."""
    desired = DesiredStore(paths.desired_dir).read(NAME)
    if desired is None:
        return {}
    children = desired.document["supervisor"]["children"]
    found = (child["process"]["environment"] for child in children if child["id"] == "web")
    return {str(name): str(value) for name, value in next(found, {}).items()}


def reachable_here(paths: Paths) -> Reachable:
    """Where this host's instance is reached, for a second terminal: the port that was asked for may have been taken."""
    return Reachable.from_environment({**os.environ, **web_environment(paths)})


@dataclass(frozen=True, slots=True)
class SystemTree:
    """What the instance runs for itself; a store given by URL is not started."""

    paths: Paths
    port: int
    postgres: PostgresServer | None
    redis: RedisServer | None
    given: Mapping[str, str] = field(default_factory=dict)
    """NAME_FILE variables: where our processes read the addresses of given stores, which may hold a password."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Those of PASSED_ON that are set."""

    def document(self) -> dict[str, Any]:
        """The tree document. Any: its values are checked by the tree's own parser."""
        stores = [store.child() for store in (self.postgres, self.redis) if store is not None]
        names = [str(store["id"]) for store in stores]
        ready = [*names, MIGRATE]
        children = [
            *stores,
            self._migrate(depends_on=[name for name in names if name == "postgres"]),
            self._web(depends_on=ready),
            self._program("worker", "controlplane.serving.worker", depends_on=ready, shutdown="20s"),
            self._program("beat", "controlplane.serving.beat", depends_on=ready, shutdown="10s"),
            self._program("digester", "controlplane.serving.digester", depends_on=ready, shutdown="10s"),
            self._program("controller", "controlplane.serving.controller", depends_on=ready, shutdown="10s"),
        ]
        return {
            "version": 1,
            "tree": NAME,
            "on_failure": {"action": "retry", "initial": "1s", "factor": 2, "cap": "30s"},
            "supervisor": {
                "strategy": "one_for_one",
                "intensity": EACH * len(children),
                "period": "5s",
                "children": [{**child, "backoff": BACKOFF} for child in children],
            },
        }

    def _migrate(self, depends_on: Sequence[str]) -> dict[str, Any]:
        """A one-shot: it ends when schema and static files are current. Tried again until it succeeds."""
        return {
            "id": MIGRATE,
            "restart": "transient",
            "shutdown": "30s",
            "depends_on": list(depends_on),
            "process": {
                **self._python("-m", "controlplane.operations.prepare", release=store_digest()),
                "readiness": {"completed": True},
            },
        }

    def _web(self, depends_on: Sequence[str]) -> dict[str, Any]:
        sockets = [
            {"name": "http", "type": "tcp", "address": f"127.0.0.1:{self.port}"},
            {"name": "local", "type": "unix", "address": str(self.paths.runtime_dir / LOCAL_SOCKET)},
        ]
        child = self._program("web", "controlplane.serving.web", depends_on=depends_on, shutdown="10s")
        return {**child, "instances": WEB_INSTANCES, "process": {**child["process"], "sockets": sockets}}

    def _program(self, name: str, module: str, *, depends_on: Sequence[str], shutdown: str) -> dict[str, Any]:
        """A process that says itself when it is ready, and proves every two seconds that it is alive."""
        return {
            "id": name,
            "shutdown": shutdown,
            "depends_on": list(depends_on),
            "process": {
                **self._python("-m", module, release=code_digest()),
                "readiness": {"notify": True, "deadline": "60s"},
                "watchdog": "20s",
            },
        }

    def _python(self, *arguments: str, release: str) -> dict[str, Any]:
        return {
            "command": [sys.executable, *arguments],
            "cwd": str(ROOT),
            "environment": {
                "OVERSTORY_DATA_DIR": str(self.paths.data_dir),
                "DJANGO_SETTINGS_MODULE": "controlplane.settings",
                "OVERSTORY_PORT": str(self.port),
                "OVERSTORY_RELEASE": release,
                **self.settings,
                **self.given,
            },
        }
