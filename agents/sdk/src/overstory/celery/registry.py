"""The row of each supervised worker in the broker: where its process is, and until when it vouches for having nothing.

`clear_at` is the latest moment, by the broker's clock, of which a worker knows that no message was on its way to it: taken
out of a queue and not yet recorded as held. Whoever looks for lost messages waits until every living worker says so of a
moment after the message was missed.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from .holder import Holder
from .names import Keys
from .processes import stat_of, this_host

BURIAL_MS = 10_000


@dataclass(slots=True)
class Row:
    """`host`, `pid` and `start` say which process it is; `at` when it was heard of, `clear_at` see above: broker's clock."""

    host: str
    pid: int
    start: int
    worker: str
    queues: list[str]
    at: float = 0.0
    clear_at: float = 0.0

    @classmethod
    def of_this_process(cls, pid: int, worker: str, queues: list[str]) -> "Row":
        stat = stat_of(pid)
        return cls(this_host(), pid, 0 if stat is None else stat.start, worker, queues)


class Registry:
    """All rows."""

    def __init__(self, client: Any, keys: Keys) -> None:
        self._client, self._keys = client, keys

    def write(self, holder: Holder, row: Row) -> None:
        """Heard of now."""
        with self._client.pipeline() as pipe:
            pipe.hset(self._keys.workers, str(holder), json.dumps(asdict(row)))
            pipe.hset(self._keys.seen, str(holder), str(row.at))
            pipe.execute()

    def all(self) -> dict[Holder, Row]:
        rows: Any = self._client.hgetall(self._keys.workers)
        made = {}
        for name, text in rows.items():
            holder = Holder.parse(name.decode())
            if holder is not None:
                made[holder] = Row(**json.loads(text))
        return made

    def buries(self, holder: Holder, *, by: Holder) -> bool:
        """Whether it is for `by` to tell what a dead worker left: one does, and another only if that one fails."""
        key = f"{self._keys.burial}.{holder}"
        return bool(self._client.set(key, str(by), nx=True, px=BURIAL_MS))

    def forget(self, holder: Holder) -> None:
        with self._client.pipeline() as pipe:
            pipe.hdel(self._keys.workers, str(holder))
            pipe.hdel(self._keys.seen, str(holder))
            pipe.execute()

    def now(self) -> float:
        """The broker's clock, in seconds."""
        seconds, micros = self._client.time()
        return float(seconds) + float(micros) / 1e6
