"""Captured output over REST, in the shape of the node's own OutputStore."""

import queue
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from controlplane.cli.keys import covers
from controlplane.cli.remote.http import Api
from controlplane.cli.remote.operations import node_id_of
from supervision.runtime.client import ControlError, NodeUnreachableError
from supervision.runtime.output import OutputLine
from supervision.runtime.output_files import STREAMS, StreamName

MOST_LINES = 2000
MOST_FOLLOWED = 50
"""Children: each is followed by a request of its own."""
QUIET_S = 1.0
RETRY_S = 1.0


class RemoteOutput:
    """Lines of children anywhere in the fleet."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._node = node_id_of(api)

    def keys(self, key: str = "") -> list[str]:
        """Children at or below `key`; all of them for ""."""
        rows = self.api.pages("children", key=key or None, supervisors="false", node=self._node, limit=200)
        return sorted({str(row["key"]) for row in rows})

    def read(
        self,
        key: str,
        *,
        since: float | None = None,
        lines: int | None = None,
        streams: Iterable[StreamName] = STREAMS,
        incarnation: int | None = None,
    ) -> Iterator[OutputLine]:
        """Lines of `key` by time; the last `lines` of them, MOST_LINES at most."""
        if lines == 0:
            return
        wanted = tuple(streams)
        body = self.api.get(
            "logs",
            key=key,
            node=self._node,
            lines=min(lines or MOST_LINES, MOST_LINES),
            stream=wanted[0] if len(wanted) == 1 else None,
            since=None if since is None else datetime.fromtimestamp(since, UTC).isoformat(),
            incarnation=incarnation,
        ).body
        yield from (_line(row) for row in body["items"])

    def follow(
        self, key: str, *, lines: int = 10, streams: Iterable[StreamName] = STREAMS
    ) -> Iterator[list[OutputLine]]:
        """The last `lines` lines, then what comes, in batches, for ever."""
        wanted = tuple(streams)
        keys = [one for one in self.keys() if covers(key, one)][:MOST_FOLLOWED]
        arriving: queue.SimpleQueue[list[OutputLine] | ControlError] = queue.SimpleQueue()
        for one in keys:
            # It follows until the command ends; what ends it earlier arrives in the queue.
            told = (one, wanted, arriving)
            following = threading.Thread(
                target=self._follow_one, args=told, daemon=True
            )  # audit: ignore[SUP101] as said
            following.start()
        yield list(self.read(key, lines=lines, streams=wanted)) if keys else []
        while True:
            try:
                batch = arriving.get(timeout=QUIET_S)
            except queue.Empty:
                batch = []
            if isinstance(batch, ControlError):
                raise batch
            yield batch

    def _follow_one(
        self,
        key: str,
        streams: tuple[StreamName, ...],
        arriving: "queue.SimpleQueue[list[OutputLine] | ControlError]",
    ) -> None:
        """In a thread: asks again and again for what came behind the cursor. A server that is away is waited for."""
        stream = streams[0] if len(streams) == 1 else None
        cursor: str | None = None
        pause = threading.Event()
        while True:
            try:
                body: Any = self.api.get(
                    "logs/follow",
                    key=key,
                    node=self._node,
                    stream=stream,
                    cursor=cursor,
                    wait=10,
                    timeout_s=40.0,
                ).body
                cursor = body["cursor"]
                if body["items"]:
                    arriving.put([_line(row) for row in body["items"]])
            except NodeUnreachableError:
                pause.wait(RETRY_S)
                continue
            except ControlError as error:
                if error.code in ("unavailable", "timeout"):
                    pause.wait(RETRY_S)
                    continue
                arriving.put(error)
                return
            except Exception as fault:  # noqa: BLE001  the thread's outermost frame: whoever reads must hear of it
                arriving.put(ControlError("internal", f"{type(fault).__name__}: {fault}"))
                return


def _line(row: dict[str, Any]) -> OutputLine:
    return OutputLine(
        float(row["time"]), row["stream"], int(row["incarnation"]), str(row["text"]), str(row["key"])
    )
