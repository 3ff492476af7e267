"""Samples on their way: each second's frame to Redis, each minute's sums to PostgreSQL, a child's history on request."""

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Self

import redis

from controlplane.courier.minutes import store_minutes
from controlplane.courier.session import Session
from supervision.runtime.paths import SAMPLER_SOCKET, Paths
from supervision.samples import selectors

SAMPLES = "overstory:samples:"
HINT = "overstory:hint"
FRAME_LIMIT_S = 5.0
MINUTES_EVERY_S = 10.0
MINUTE_S = 60
STORE_LIMIT_S = 5.0
MOST_REFUSED = 5
"""Of one answer that are said aloud."""


class SamplerClient:
    """A connection to the node's sampler; OSError when it is away or silent for `timeout_s`."""

    def __init__(self, paths: Paths, *, timeout_s: float) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.settimeout(timeout_s)
            self._socket.connect(str(paths.runtime_dir / SAMPLER_SOCKET))
        except OSError:
            self._socket.close()
            raise
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def history(self, key: str, seconds: float) -> dict[str, Any]:
        return self._ask(op="history", key=key, seconds=seconds)

    def minutes(self, since: int) -> dict[str, Any]:
        return self._ask(op="minutes", since=since)

    def follow(self) -> Iterator[bytes]:
        """Frames as they came, one a second."""
        self._send(op="follow")
        while True:
            yield self._line()

    def _ask(self, **request: Any) -> dict[str, Any]:
        self._send(**request)
        answer: dict[str, Any] = json.loads(self._line())
        return answer

    def _send(self, **request: Any) -> None:
        self._socket.sendall(json.dumps(request).encode() + b"\n")

    def _line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("the sampler closed the connection")
        return line


class Publishing:
    """The job `samples`: a frame goes out as it came; what nobody took is gone."""

    def __init__(self, session: Session, client: redis.Redis) -> None:
        self.session = session
        self._redis = client

    def step(self) -> float:
        with SamplerClient(self.session.paths, timeout_s=FRAME_LIMIT_S) as sampler:
            for frame in sampler.follow():
                self._redis.publish(SAMPLES + self.session.node_id, frame.rstrip())
        return 0.0


class Hinting:
    """The job `hints`: says that a node's rows changed, with the newest number."""

    def __init__(self, session: Session, client: redis.Redis) -> None:
        self.session = session
        self._redis = client
        self._said = -1

    def step(self) -> float:
        seq = self.session.shipped
        if seq > self._said:
            self._redis.publish(HINT, json.dumps({"node": self.session.node_id, "seq": seq}))
            self._said = seq
        return 1.0


class Minutes:
    """The job `minutes`: brings the sums of whole minutes, as long as the sampler has them (15 minutes), each once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._next: int | None = None

    def step(self) -> float:
        session = self.session
        if session.epoch is None:
            return 1.0
        if self._next is None:
            with session.deadlines.within(STORE_LIMIT_S):
                last = selectors.last_minute(session.node_id)
            self._next = 0 if last is None else int(last.timestamp()) + MINUTE_S
        if session.clock.wall() < self._next + MINUTE_S:
            return MINUTES_EVERY_S
        with SamplerClient(session.paths, timeout_s=FRAME_LIMIT_S) as sampler:
            answer = sampler.minutes(self._next)
        found = answer["minutes"]
        with session.deadlines.within(STORE_LIMIT_S):
            refused = store_minutes(
                node_id=session.node_id,
                fields=answer["fields"],
                minutes=found,
                now=datetime.fromtimestamp(session.clock.wall(), UTC),
            )
        for error in refused[:MOST_REFUSED]:
            session.say(f"minutes: left out: {error}")
        if found:
            self._next = int(found[-1]["at"]) + MINUTE_S
        return MINUTES_EVERY_S
