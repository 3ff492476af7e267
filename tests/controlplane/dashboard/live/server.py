"""A real server process (uvicorn) on the tests' stores, and a browser's side of its socket."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson
from django.conf import settings
from django.db import connection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.controlplane.dashboard.live.browser import Copy
from tests.support.database import TestStores
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[4]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """Serves the test database on 127.0.0.1:port; killed and started again at will."""

    def __init__(self, stores: TestStores, data_dir: Path) -> None:
        self.port = free_port()
        parts = urlsplit(stores.database_url)
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            "DATABASE_URL": urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}")),
            "REDIS_URL": stores.redis_url,
            "SECRET_KEY": str(settings.SECRET_KEY),
            "OVERSTORY_DATA_DIR": str(data_dir),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "controlplane.asgi:application", "--host", "127.0.0.1",
             "--port", str(self.port), "--lifespan", "off", "--log-level", "warning"],
            cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self._answers, timeout=60, what="the server answers")

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process = None


@contextlib.contextmanager
def running(stores: TestStores, data_dir: Path) -> Iterator[Server]:
    server = Server(stores, data_dir)
    try:
        server.start()
        yield server
    finally:
        if server.process is not None:
            server.kill()


class Page:
    """One page: keeps what it has when the connection is lost, and goes on from there."""

    def __init__(self, server: Server, cookie: str, topic: str, **wanted: Any) -> None:
        self.server, self.cookie, self.topic, self.wanted = server, cookie, topic, wanted
        self.copy = Copy()
        self.heard: list[str] = []
        self.connection: ClientConnection | None = None
        self._stack = contextlib.ExitStack()

    def open(self) -> None:
        self.close()
        self.connection = self._stack.enter_context(
            connect(
                f"ws://127.0.0.1:{self.server.port}/ws/live",
                additional_headers={"Cookie": self.cookie},
                origin=Origin(f"http://127.0.0.1:{self.server.port}"),
                max_size=None,
                open_timeout=30,
            )
        )
        held = {"since": self.copy.seq, "epoch": self.copy.epoch} if self.copy.epoch else {}
        self.say(op="sub", topics={self.topic: {**self.wanted, **held}}, hz=4)

    def close(self) -> None:
        self._stack.close()
        self.connection = None

    def say(self, **message: Any) -> None:
        assert self.connection is not None
        self.connection.send(orjson.dumps(message).decode())

    def until(self, found: Callable[[], Any]) -> None:
        """Take messages in until `found`; ConnectionClosed when the server is gone."""
        assert self.connection is not None
        while not found():
            message = orjson.loads(self.connection.recv(timeout=30))
            self.heard.append(message.get("op", "frame"))
            if message.get("t") == self.topic and message.get("op") in (None, "snap"):
                self.copy.take(message)
                if "a" in message:
                    self.say(op="ack", t=self.topic, b=message["b"])

    def is_cut_off(self) -> bool:
        try:
            self.until(lambda: False)
        except ConnectionClosed:
            return True
        return False
