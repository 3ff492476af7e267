"""Whether a holder is dead, with every process that came from it: nothing else may take its messages away.

The node knows best: it has watched the process and ended what it left. Of another node the control plane knows, from its
records or because the node's lease was taken over. Where neither can be asked, a process of this host is proved dead by its
identity, when no process of its session is left either.
"""

import time
from collections.abc import Mapping
from typing import Protocol

from .. import channel
from ..errors import Refused
from .holder import Holder
from .processes import session_lives, stat_of, this_host
from .registry import Row

ASK_WITHIN_S = 2.0
ASK_EVERY_S = 0.25
QUESTION = "program.ended"
"""To the control plane: `{"lives": [[node, key, incarnation], ...]}`; it answers `{"ended": [...]}`: those known to be."""


class Proof(Protocol):
    """One source of knowledge."""

    def ended(self, suspects: Mapping[Holder, Row | None]) -> set[Holder]:
        """Those that are proved dead. Never one that may live."""


class LocalProof:
    """By process identity, for processes of this host and pid namespace."""

    def ended(self, suspects: Mapping[Holder, Row | None]) -> set[Holder]:
        return {holder for holder, row in suspects.items() if row is not None and _is_gone(row)}


def _is_gone(row: Row) -> bool:
    if row.host != this_host() or not row.start:
        return False
    stat = stat_of(row.pid)
    if stat is not None and stat.start == row.start:
        return stat.state in "ZX" and not session_lives(row.pid)
    return stat is not None or not session_lives(row.pid)


class NodeProof:
    """By what our own node knows of its children."""

    def ended(self, suspects: Mapping[Holder, Row | None]) -> set[Holder]:
        ours = channel.default()
        own = [holder for holder in suspects if holder.node == ours.node]
        if not own or not ours.is_supervised:
            return set()
        try:
            answers = ours.lives([holder.life for holder in own], ASK_WITHIN_S)
        except Refused:  # of which Unavailable is one
            return set()
        return {holder for holder, answer in zip(own, answers, strict=True) if answer == "ended"}


class FleetProof:
    """By what the control plane knows of other nodes' children; it is not asked more often than each ASK_EVERY_S."""

    def __init__(self) -> None:
        self._asked_at = 0.0

    def ended(self, suspects: Mapping[Holder, Row | None]) -> set[Holder]:
        ours = channel.default()
        others = [holder for holder in suspects if holder.node != ours.node]
        now = time.monotonic()
        if not others or not ours.is_supervised or now - self._asked_at < ASK_EVERY_S:
            return set()
        self._asked_at = now
        try:
            answer = ours.ask(QUESTION, {"lives": [list(holder.life) for holder in others]}, ASK_WITHIN_S)
        except Refused:
            return set()
        ended = {tuple(life) for life in answer.get("ended", ())}
        return {holder for holder in others if holder.life in ended}


class Together:
    """The first source that knows; the next is only asked about the rest."""

    def __init__(self, *sources: Proof) -> None:
        self._sources = sources

    def ended(self, suspects: Mapping[Holder, Row | None]) -> set[Holder]:
        found: set[Holder] = set()
        for source in self._sources:
            left = {holder: row for holder, row in suspects.items() if holder not in found}
            if left:
                found |= source.ended(left)
        return found
