"""Joining the fleet, and the node's lease: renewed each second while the node beats, and told to it once confirmed."""

import contextlib
import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controlplane.courier.control import NodeControl
from controlplane.courier.session import Session
from supervision.fleet import services as fleet
from supervision.fleet.exceptions import NodeIsElsewhereError
from supervision.runtime.nodesettings import NodeSettings

EVERY_S = 1.0
RENEW_LIMIT_S = 2.0
JOIN_LIMIT_S = 4.0
TELL_LIMIT_S = 1.0
ELSEWHERE_S = 5.0
"""How soon a node that runs elsewhere too asks again: the other may be gone."""
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
        self._refused = ""

    def step(self) -> float:
        """Join, or renew; how long until the next one is due."""
        session = self.session
        began = session.clock.boot()
        if session.beats:
            epoch = session.epoch
            if epoch is not None:
                self._renew(epoch)
            elif not self._joins():
                return ELSEWHERE_S
        return max(0.05, began + EVERY_S - session.clock.boot())

    def _joins(self) -> bool:
        """Whether it joined; said once when the same node runs elsewhere. What is on this host goes on without the store."""
        try:
            self._join()
        except NodeIsElsewhereError as error:
            if str(error) != self._refused:
                self.session.say(f"not joined: {error}")
            self._refused = str(error)
            return False
        self._refused = ""
        return True

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
                facts=_facts(
                    status,
                    session.stream_epoch,
                    is_explicit=settings.allow.is_explicit,
                    data_dir=session.paths.data_dir,
                ),
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


def _facts(status: dict[str, Any], stream_epoch: int, *, is_explicit: bool, data_dir: Path) -> dict[str, Any]:
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
        "data": {
            "cgroup": status["cgroup"],
            "on_guardian_death": status["on_guardian_death"],
            "place": f"{data_dir} on {socket.gethostname()}, boot {boot_id()[:8]}",
        },
    }
