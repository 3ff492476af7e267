"""Joining the fleet, and the node's lease: renewed each second while the node beats, and told to it once confirmed."""

import contextlib
import json
import os
import socket
from datetime import UTC, datetime
from typing import Any

from controlplane.courier.control import NodeControl
from controlplane.courier.session import Session
from supervision.fleet import services as fleet
from supervision.runtime.nodesettings import NodeSettings

EVERY_S = 1.0
RENEW_LIMIT_S = 2.0
JOIN_LIMIT_S = 4.0
TELL_LIMIT_S = 1.0
NAME_VARIABLE = "OVERSTORY_NODE_NAME"
"""What the node is called in the fleet; else what its host is called. Two nodes of one machine need it."""
EPOCH_FILE = "epoch.json"
"""In the data directory: under which epoch this node joined last, so that a new courier does not have to join anew."""


class Leasing:
    """The job `lease`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._control = NodeControl(session.paths)
        self._file = session.paths.data_dir / EPOCH_FILE

    def step(self) -> float:
        """Join, or renew; how long until the next one is due."""
        session = self.session
        began = session.clock.boot()
        if session.beats:
            epoch = session.epoch
            if epoch is None:
                self._join()
            else:
                self._renew(epoch)
        return max(0.05, began + EVERY_S - session.clock.boot())

    def _join(self) -> None:
        session = self.session
        status = self._control.call("status", timeout_s=TELL_LIMIT_S)
        settings = NodeSettings.load(session.paths.node_toml)
        session.host = os.environ.get(NAME_VARIABLE, "").strip()[:255] or socket.gethostname()
        known = self._known_epoch()
        with session.deadlines.within(JOIN_LIMIT_S):
            node = fleet.register_node(
                node_id=session.node_id,
                name=session.host,
                labels=dict(settings.labels),
                facts=_facts(status, session.stream_epoch, is_explicit=settings.allow.is_explicit),
                known_epoch=known,
            )
        if node.epoch != known:
            self._write_epoch(node.epoch)
        session.resync.set()
        session.epoch = node.epoch
        session.wake()

    def _renew(self, epoch: int) -> None:
        session = self.session
        trees = None if session.fenced is None else dict(session.fenced)
        sent = session.clock.boot()
        with session.deadlines.within(RENEW_LIMIT_S):
            renewal = fleet.renew_lease(node_id=session.node_id, epoch=epoch)
        if renewal is None:
            session.lose_epoch(epoch)
            return
        if trees is not None and session.epoch == epoch:  # nobody else learnt meanwhile that it is over
            self._control.call(
                "lease", timeout_s=TELL_LIMIT_S, sent=sent, ttl_s=fleet.LEASE_TTL_S, trees=trees
            )
            if trees != session.confirmed:
                session.confirmed = trees
                session.desired.set()

    def _known_epoch(self) -> int | None:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(self._file.read_text())["epoch"])
        return None

    def _write_epoch(self, epoch: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"v": 1, "epoch": epoch}))
        new.rename(self._file)


def _facts(status: dict[str, Any], stream_epoch: int, *, is_explicit: bool) -> dict[str, Any]:
    """What the node's row says of it, beside name and labels."""
    from supervision.runtime.identity import boot_id

    return {
        "version": status["version"],
        "boot_id": boot_id(),
        "pid": status["pid"],
        "guardian_pid": status["guardian_pid"],
        "started_at": datetime.fromtimestamp(status["started"], UTC),
        "stream_epoch": stream_epoch,
        "helpers": status["helpers"],
        "is_explicit_allow_list": is_explicit,
        "data": {"cgroup": status["cgroup"], "on_guardian_death": status["on_guardian_death"]},
    }
