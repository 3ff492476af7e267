"""What a process wrote, as one run of bytes with offsets, as the interface asks for it.

On this host it is read from the files themselves. From another host the last lines are asked for, and offsets count from the
first of them.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import redis

from controlplane.api.asking import NodeRefusedError, NodeSilentError, ask_node
from controlplane.xmlrpc.backend import Piece, Refused, Stream
from controlplane.xmlrpc.programs import Program
from supervision.runtime.output import OutputStore
from supervision.runtime.output_view import StreamView
from supervision.runtime.paths import Paths

CLEARED = "overstory:xmlrpc:cleared"
"""A hash: from where on a stream is shown. In Redis, which may lose it: then more is shown."""
REMOTE_LINES = 2000
ANSWER_S = 5.0


class Output:
    """Reads for one instance; `node_id` is the one of this host, if it has a node."""

    def __init__(self, paths: Paths, redis_url: str) -> None:
        self._paths = paths
        self._redis_url = redis_url
        self.node_id = own_node_id(paths)

    def read(self, program: Program, stream: Stream, offset: int, length: int) -> Piece:
        """Refused when nobody can be asked."""
        if program.node_id == self.node_id:
            view = self._view(program, stream)
            return self._piece(view, self._shown_from(program, stream, view), offset, length)
        return slice_of(self._remote(program, stream), offset, length)

    def forget(self, program: Program) -> None:
        """Remember where both streams end now. Only where they can be read byte by byte."""
        if program.node_id != self.node_id:
            raise Refused("the output of another host cannot be cleared from here")
        try:
            with redis.Redis.from_url(self._redis_url, socket_timeout=2, socket_connect_timeout=2) as client:
                for stream in ("out", "err"):
                    view = self._view(program, stream)
                    client.hset(CLEARED, _field(program, stream), f"{view.incarnation}:{view.size()}")
        except redis.RedisError as error:
            raise Refused(f"Redis does not answer ({type(error).__name__})") from error

    def main(self, offset: int, length: int) -> Piece:
        """The log of guardian and node on this host."""
        path = self._paths.data_dir / "overstory.log"
        try:
            end = path.stat().st_size
            begin = max(end + offset, 0) if offset < 0 else min(offset, end)
            with path.open("rb") as file:
                file.seek(begin)
                return Piece(begin, file.read(length), end)
        except OSError as error:
            raise Refused(f"no log here: {os.strerror(error.errno or 0)}") from error

    def _view(self, program: Program, stream: Stream) -> StreamView:
        directory = OutputStore(self._paths.logs_dir).directory(program.key)
        return StreamView(directory, max(program.incarnation, 1), stream)

    def _piece(self, view: StreamView, shown_from: int, offset: int, length: int) -> Piece:
        try:
            end = view.size()
            first = min(max(view.first, shown_from), end)
            begin = max(end + offset, first) if offset < 0 else min(max(offset, first), end)
            parts, at = [], begin
            while at < end and length > 0:
                at, data = view.read(at, min(length, end - at))
                if not data:
                    break
                parts.append(data)
                at, length = at + len(data), length - len(data)
            return Piece(begin, b"".join(parts), end)
        except OSError as error:
            raise Refused(f"its output cannot be read: {os.strerror(error.errno or 0)}") from error

    def _shown_from(self, program: Program, stream: Stream, view: StreamView) -> int:
        try:
            with redis.Redis.from_url(self._redis_url, socket_timeout=1, socket_connect_timeout=1) as client:
                mark: Any = client.hget(CLEARED, _field(program, stream))
        except redis.RedisError:
            return 0
        incarnation, _, size = (mark or b"0:0").decode().partition(":")
        return int(size) if int(incarnation) == view.incarnation else 0

    def _remote(self, program: Program, stream: Stream) -> bytes:
        args: Mapping[str, Any] = {
            "key": program.key,
            "lines": REMOTE_LINES,
            "stream": stream,
            "incarnation": max(program.incarnation, 1),
        }
        try:
            lines = ask_node(program.node_id, "logs", args, timeout_s=ANSWER_S)["lines"]
        except (NodeSilentError, NodeRefusedError) as error:
            raise Refused(str(error)) from error
        return "".join(f"{line.get('text', '')}\n" for line in lines).encode()


def slice_of(data: bytes, offset: int, length: int) -> Piece:
    """Part of what is all there is."""
    begin = max(len(data) + offset, 0) if offset < 0 else min(offset, len(data))
    return Piece(begin, data[begin : begin + length], len(data))


def own_node_id(paths: Paths) -> str | None:
    """The id of the node of this host's data directory."""
    try:
        return str(json.loads(Path(paths.node_json).read_text())["node_id"])
    except (OSError, ValueError, KeyError):
        return None


def _field(program: Program, stream: str) -> str:
    return f"{program.node_id}/{program.key}/{stream}"
