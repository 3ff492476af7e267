"""A client of the control socket that sends what it likes."""

import json
import socket
from typing import Any

from tests.support.engine import Engine

DEADLINE = 30.0


class Raw:
    """A client that sends what it likes."""

    def __init__(self, engine: Engine) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(engine.paths.control_socket))
        self.sock.settimeout(DEADLINE)
        self.file = self.sock.makefile("rb")
        self.hello = self.message()

    def message(self) -> dict[str, Any]:
        line = self.file.readline()
        assert line.endswith(b"\n"), f"the node closed the connection, last words {line!r}"
        found: dict[str, Any] = json.loads(line)
        return found

    def ask(self, line: bytes) -> dict[str, Any]:
        """The answer to one line."""
        self.sock.sendall(line + b"\n")
        return self.message()

    def request(self, op: str, args: Any, request_id: Any = 1) -> dict[str, Any]:
        return self.ask(json.dumps({"id": request_id, "op": op, "args": args}).encode())

    def refused(self, op: str, args: Any) -> dict[str, Any]:
        """The error of a request that must be refused."""
        answer = self.request(op, args)
        assert answer["ok"] is False, answer
        error: dict[str, Any] = answer["error"]
        return error

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
