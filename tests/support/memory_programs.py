"""A backend of the XML-RPC interface in memory, served over HTTP, and the real `supervisorctl` against it."""

import base64
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from controlplane.xmlrpc.backend import Forbidden, Piece, Refused, Stream, Verb
from controlplane.xmlrpc.calls import respond
from controlplane.xmlrpc.methods import Methods
from controlplane.xmlrpc.programs import STARTED, Program

USER, PASSWORD = "ann", "token"


class MemoryBackend:
    """Programs that start and stop at once, unless told otherwise."""

    def __init__(self, *programs: Program) -> None:
        self.all = list(programs)
        self.commands: list[tuple[str, str, dict[str, str]]] = []
        self.logs: dict[tuple[str, Stream], bytes] = {}
        self.broken: set[str] = set()
        self.may_operate = True
        self.removed: list[str] = []
        self.done: list[str] = []
        self.time = 1_764_345_600.0

    def now(self) -> float:
        return self.time

    def pid(self) -> int:
        return 4711

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def programs(self) -> Sequence[Program]:
        return list(self.all)

    def again(self, program: Program) -> Program | None:
        same = (each for each in self.all if (each.key, each.node_id) == (program.key, program.node_id))
        return next(same, None)

    def command(self, verb: Verb, program: Program, **args: str) -> None:
        if not self.may_operate:
            raise Forbidden("you may only look")
        self.commands.append((verb, program.key, args))
        state = {"start": "running", "stop": "stopped", "signal": program.state}[verb]
        if verb == "start" and program.key in self.broken:
            state = "backoff"
        alive = state == "running"
        self.all[self.all.index(program)] = replace(
            program,
            state=state,
            pid=(program.pid or 99) if alive else None,
            since=self.time if verb == "start" else program.since,
            ended_at=self.time if verb == "stop" else program.ended_at,
            incarnation=program.incarnation + (verb == "start"),
            last_exit="exit(3)" if state == "backoff" else program.last_exit,
        )

    def log(self, program: Program, stream: Stream, offset: int, length: int) -> Piece:
        return piece(self.logs.get((program.key, stream), b""), offset, length)

    def forget_log(self, program: Program) -> None:
        for stream in ("out", "err"):
            self.logs.pop((program.key, stream), None)

    def main_log(self, offset: int, length: int) -> Piece:
        return piece(b"the guardian's log\n", offset, length)

    def add_group(self, group: str) -> None:
        """Nothing is added so."""

    def remove_group(self, group: str) -> None:
        if group == "refused":
            raise Refused("it is in the way")
        self.removed.append(group)
        self.all = [program for program in self.all if program.tree != group]

    def shut_down(self) -> None:
        self.done.append("shutdown")

    def restart(self) -> None:
        self.done.append("restart")


def piece(data: bytes, offset: int, length: int) -> Piece:
    begin = max(len(data) + offset, 0) if offset < 0 else min(offset, len(data))
    return Piece(begin, data[begin : begin + length], len(data))


def program(key: str, state: str = "running", **more: object) -> Program:
    made = Program(key=key, node_id="n1", node_name="alpha", state=state, incarnation=1)
    if made.statecode in STARTED:
        made = replace(made, pid=123, since=1_764_345_500.0)
    return replace(made, **more)  # type: ignore[arg-type] # fields by name, in tests


@contextmanager
def served(backend: MemoryBackend) -> Iterator[str]:
    """Its URL, as `supervisorctl -s` wants it."""
    methods = Methods(backend, "0.1.0")
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Authorization") != expected:
                self._answer(401, b"")
            else:
                self._answer(200, respond(body, methods))

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 the name it has there
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def supervisorctl(
    url: str, *arguments: str, user: str = USER, password: str = PASSWORD, timeout: float = 60
) -> tuple[int, str]:
    """Exit code and output of the real client."""
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.supervisorctl", "-s", url, "-u", user, "-p", password, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore", "TZ": "UTC"},
    )
    return done.returncode, done.stdout + done.stderr
