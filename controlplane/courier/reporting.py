"""Telling the node where the children of its trees report errors, before a tree is brought to it: the first life of a child
is told too."""

import hashlib
from collections.abc import Iterable

from controlplane.courier.control import NodeControl
from controlplane.courier.session import Session
from controlplane.intake.dsn import dsn_of
from supervision.errors.store.addresses import address_for, keys_of_trees, this_host

LOOK_EVERY_S = 10.0
"""At rows that change when a key does; a tree that is new here is looked up at once."""
LIMIT_S = 3.0


class Reporting:
    """A part of the job `desired`, which owns it."""

    def __init__(self, session: Session, control: NodeControl) -> None:
        self._session, self._control = session, control
        self._trees: frozenset[str] = frozenset()
        self._dsns: dict[str, str] = {}
        self._again_at = 0.0

    def tell(self, trees: Iterable[str], known: str) -> None:
        """`known` is the mark of what the node was told last. Raises what the stores and the node raise."""
        now = self._session.clock.boot()
        wanted = frozenset(trees)
        if wanted != self._trees or now >= self._again_at:
            self._dsns = self._look_up(set(wanted))
            self._trees, self._again_at = wanted, now + LOOK_EVERY_S
        mark = mark_of(self._dsns)
        if mark != known:
            self._control.call("reporting", timeout_s=LIMIT_S, mark=mark, dsns=self._dsns)

    def _look_up(self, trees: set[str]) -> dict[str, str]:
        if not trees:
            return {}
        with self._session.deadlines.within(LIMIT_S):
            url = address_for(this_host())
            if not url:
                return {}
            return {tree: dsn_of(project, key, url) for tree, (project, key) in keys_of_trees(trees).items()}


def mark_of(dsns: dict[str, str]) -> str:
    """The same for the same DSNs, another for others."""
    text = "\n".join(f"{tree} {dsn}" for tree, dsn in sorted(dsns.items()))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
