"""A real HTTP server on a loopback port that keeps what it is sent and answers as told."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True)
class Received:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Sink:
    """What came, and what is answered: the next of `answers`, 204 when there is none."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    location: str = ""
    stall: threading.Event | None = None
    """Set: a request is held until it is set."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def http_sink() -> Iterator[Sink]:
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            sink.received.append(Received(self.command, self.path, dict(self.headers), body))
            if sink.stall is not None:
                sink.stall.wait(30)
            status = sink.answers.pop(0) if sink.answers else 204
            self.send_response(status)
            if sink.location:
                self.send_header("Location", sink.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = _take  # noqa: N815 the names it has there

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name it has there
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sink.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield sink
    finally:
        if sink.stall is not None:
            sink.stall.set()
        server.shutdown()
        thread.join()
        server.server_close()
