"""One web process as the system tree runs it, serving the intake over the tests' database; killed and started at will."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from django.conf import settings
from django.db import connection

from tests.support.database import TestStores
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


AS_THE_NODE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execv(sys.executable, [sys.executable, "-m", "controlplane.serving.web"])
"""
"""The socket that it is to serve is its third descriptor."""


class IntakeServer:
    """Its listening socket outlives it, as the node's does."""

    def __init__(self, stores: TestStores, data_dir: Path) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self.socket.getsockname()[1])
        parts = urlsplit(stores.database_url)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            "DATABASE_URL": urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}")),
            "REDIS_URL": stores.redis_url,
            "SECRET_KEY": str(settings.SECRET_KEY),
            "OVERSTORY_DATA_DIR": str(data_dir),
            "LISTEN_FDS": "1",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        number = self.socket.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", AS_THE_NODE, str(number)],
            cwd=ROOT, env=self.environment, pass_fds=(number,), stdin=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._answers, timeout=60, what="the intake answers")

    def _answers(self) -> bool:
        """The socket takes connections before anybody serves it, so something has to be said."""
        assert self.process is not None
        assert self.process.poll() is None, "the web process ended"
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=2) as one,
        ):
            one.sendall(b"OPTIONS /api/1/envelope/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return one.recv(12) == b"HTTP/1.1 200"
        return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def intake_server(stores: TestStores, data_dir: Path) -> Iterator[IntakeServer]:
    server = IntakeServer(stores, data_dir)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        server.socket.close()
