"""The job `health`: asks the node each second what its health checks found and what children say of themselves, and stores
what changed. Status lines go to pages at once too, by Redis, as samples do."""

from typing import Any

import orjson
import redis

from controlplane.courier.control import NodeControl
from controlplane.courier.session import Session
from supervision.health import services
from supervision.journal.services import record_status_lines

EVERY_S = 1.0
ASK_LIMIT_S = 3.0
STORE_LIMIT_S = 5.0
LINES = "overstory:lines:"
"""Channel prefix; the node's id follows. A message is an object of keys and lines."""


class Healthing:
    """Kept is only up to which of the node's numbers it is stored; a new courier, node or epoch begins with everything."""

    def __init__(self, session: Session, client: redis.Redis) -> None:
        self.session = session
        self._redis = client
        self._control = NodeControl(session.paths)
        self._stored: tuple[int, str, int, int] | None = None
        """Epoch, the watch's name, its number, and that of the status lines."""

    def step(self) -> float:
        session, stored = self.session, self._stored
        epoch = session.epoch
        if epoch is None:
            return 0.5
        since, lines_since = stored[2:] if stored is not None and stored[0] == epoch else (0, 0)
        told = self._control.call("health", since=since, lines_since=lines_since, timeout_s=ASK_LIMIT_S)
        if since and stored is not None and told["life"] != stored[1]:  # another node's, which began anew
            self._stored = None
            return 0.0
        self._store(told, epoch, is_whole=stored is None or stored[0] != epoch)
        self._stored = epoch, str(told["life"]), int(told["seq"]), int(told["lines_seq"])
        return EVERY_S

    def _store(self, told: dict[str, Any], epoch: int, *, is_whole: bool) -> None:
        """`is_whole`: the lines are all there are."""
        session, lines = self.session, told["lines"]
        if told["checks"] or told["living"] is not None:
            with session.deadlines.within(STORE_LIMIT_S):
                services.record(
                    node_id=session.node_id, epoch=epoch, checks=told["checks"], living=told["living"]
                )
        if lines or is_whole:
            with session.deadlines.within(STORE_LIMIT_S):
                record_status_lines(node_id=session.node_id, epoch=epoch, lines=lines, is_whole=is_whole)
        if lines:
            self._redis.publish(LINES + session.node_id, orjson.dumps(lines))
