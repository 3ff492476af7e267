"""What the process driver needs of whoever forks agents, real (`Templates`) and in memory (`FakeTemplates`).

Both pass tests/supervision/runtime/test_template_port.py.
"""

import itertools
import os
from typing import Protocol

from supervision.runtime import template_policy as policy
from supervision.runtime.forking import TemplateKey
from supervision.runtime.launch_spec import UserIds
from supervision.runtime.template_order import Forked, ForkOrder, Source


class TemplatePort(Protocol):
    """Who forks agents."""

    def start(self, order: ForkOrder) -> bool:
        """Fork it, take a spare for it, or refuse. True: answered already, or as soon as a fork takes."""

    def need(self, key: TemplateKey, user: UserIds | None, owner: str, spares: int) -> None:
        """A child that lives will be forked from such a template when it is started again."""

    def cancel(self, order: ForkOrder) -> bool:
        """It is not wanted any more. True when it will not be answered; else it is refused, or forked in spite of it."""

    def forget(self, owner: str) -> None:
        """The child needs no template any more."""

    def drain(self) -> None:
        """Hear what was said by now."""

    def reap(self, template: int, pid: int) -> None:
        """How a forked child of that template ended is on record."""


class FakeTemplates:
    """Templates in memory: each is ready when `let_start` says so, and forks at once then. The "pidfd" is an eventfd.

    `refuse`: why nothing can be forked.
    """

    def __init__(self, *, ready: bool = True, refuse: str = "") -> None:
        self.is_ready, self.refuse = ready, refuse
        self.waiting: list[ForkOrder] = []
        self.forked: dict[int, ForkOrder] = {}
        """pid -> what it is."""
        self.reaped: list[int] = []
        self.drained = 0
        self._pids = itertools.count(200_000)
        self._owners: dict[TemplateKey, dict[str, int]] = {}
        self._spares: dict[TemplateKey, int] = {}

    def start(self, order: ForkOrder) -> bool:
        self.need(order.key, order.user, order.owner, order.spares)
        if self.refuse:
            order.on_refused(self.refuse)
            return True
        if not self.is_ready:
            self.waiting.append(order)
            return False
        if self._spares.get(order.key, 0):
            self._spares[order.key] -= 1
            self._fork(order, "spare")
        else:
            self._fork(order, "template")
        return True

    def _fork(self, order: ForkOrder, source: Source) -> None:
        pid = next(self._pids)
        self.forked[pid] = order
        order.on_forked(Forked(pid, os.eventfd(0, os.EFD_CLOEXEC), source, 1))

    def let_start(self) -> None:
        """The template has imported everything; its spares are forked after the orders that waited."""
        self.is_ready = True
        waiting, self.waiting = self.waiting, []
        for order in waiting:
            self._fork(order, "template")
        self.refill()

    def refill(self) -> None:
        """Nothing else is to be done: spares are forked."""
        self._spares = {key: policy.spares_wanted(owners) for key, owners in self._owners.items()}

    def need(self, key: TemplateKey, user: UserIds | None, owner: str, spares: int) -> None:
        self.forget(owner)
        self._owners.setdefault(key, {})[owner] = spares

    def cancel(self, order: ForkOrder) -> bool:
        order.unwanted = True
        if order not in self.waiting:
            return False
        self.waiting.remove(order)
        return True

    def forget(self, owner: str) -> None:
        for owners in self._owners.values():
            owners.pop(owner, None)

    def drain(self) -> None:
        self.drained += 1

    def reap(self, template: int, pid: int) -> None:
        self.reaped.append(pid)
