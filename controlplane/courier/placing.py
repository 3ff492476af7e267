"""Bringing desired state to the node: level-triggered, each second, and at once when the store says that something changed.

Nothing is brought before everything that was done on the host itself is stored: else what a person has just applied or
deleted there would be undone by what the store does not know yet.
"""

from collections.abc import Container
from dataclasses import replace
from typing import Any

from controlplane.courier.control import NodeControl
from controlplane.courier.reconciling import REMOVING, Apply, Delete, Gone, Present, Step, Wanted, reconcile
from controlplane.courier.reporting import Reporting
from controlplane.courier.session import Session
from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.runtime.client import ControlError, DeadlineError, NodeUnreachableError
from supervision.trees import placements
from supervision.trees.selectors import DesiredPlacement, desired_for

EVERY_S = 1.0
UNKNOWN_AGAIN_S = 0.2
READ_LIMIT_S = 3.0
ASK_LIMIT_S = 2.0
APPLY_LIMIT_S = 30.0
"""A tree of ten thousand children is read, checked and written to the journal."""
REFUSED_AGAIN_S = 5.0
"""A node that refused a tree (its allow-list, its bounds) is asked again so often: its owner may have changed them."""


class Placing:
    """The job `desired`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._control = NodeControl(session.paths)
        self._reporting = Reporting(session, self._control)
        self._known: dict[tuple[str, int], DesiredPlacement] = {}
        self._refused: dict[tuple[str, int, int], float] = {}
        """(tree, revision, epoch) -> when to ask again."""

    def step(self) -> float:
        """Compare once and do what is to be done."""
        session = self.session
        epoch = session.epoch
        if epoch is None:
            return EVERY_S
        here = self._control.call("trees", timeout_s=ASK_LIMIT_S)
        knows_all = here["local_seq"] <= session.shipped
        desired = self._desired(epoch)
        if not knows_all:
            return UNKNOWN_AGAIN_S
        if "reporting" in here:  # the node may be older than its courier
            self._reporting.tell((one.tree for one in desired if one.state != REMOVING), here["reporting"])
        by_name = {one.tree: one for one in desired}
        wanted = [
            Wanted(one.tree, one.revision, one.digest, one.epoch, one.is_fenced, one.state) for one in desired
        ]
        present = self._as_the_store_knows([Present.from_json(tree) for tree in here["trees"]], by_name)
        for step in reconcile(wanted, present):
            self._do(step, by_name)
        return EVERY_S

    def _as_the_store_knows(self, present: list[Present], placed: Container[str]) -> list[Present]:
        """A tree applied on this host may have been moved on before we told the node that the store knows it."""
        local = {
            tree.name: tree.digest for tree in present if tree.origin == "local" and tree.name not in placed
        }
        if not local:
            return present
        with self.session.deadlines.within(READ_LIMIT_S):
            moved = placements.moved_away(node_id=self.session.node_id, digests=local)
        return [replace(tree, origin="store") if tree.name in moved else tree for tree in present]

    def _desired(self, epoch: int) -> list[DesiredPlacement]:
        """Under this epoch, with documents; those that we have are not read again."""
        session = self.session
        with session.deadlines.within(READ_LIMIT_S):
            if not Node.objects.filter(pk=session.node_id, epoch=epoch).exists():
                raise StaleEpochError
            found = desired_for(session.node_id, without=self._known)
        desired = [
            one if one.document else replace(one, document=self._known[one.tree, one.revision].document)
            for one in found
        ]
        self._known = {(one.tree, one.revision): one for one in desired}
        fenced = {one.tree: one.epoch for one in desired if one.is_fenced and one.state != "removing"}
        if session.epoch == epoch:
            session.fenced = fenced
        return desired

    def _do(self, step: Step, desired: dict[str, DesiredPlacement]) -> None:
        if isinstance(step, Gone):
            with self.session.deadlines.within(READ_LIMIT_S):
                placements.end_placement(node_id=self.session.node_id, tree=step.tree, epoch=step.epoch)
        elif isinstance(step, Delete):
            self._delete(step)
        else:
            self._apply(step, desired[step.tree])

    def _delete(self, step: Delete) -> None:
        """Asked, not waited for: a stop takes as long as its children; the next rounds see how far it is."""
        try:
            self._control.call(
                "delete", timeout_s=0.2, tree=step.tree, from_revision=step.known, origin="store"
            )
        except DeadlineError:
            return
        except ControlError as error:
            if isinstance(error, NodeUnreachableError):
                raise

    def _apply(self, step: Apply, placement: DesiredPlacement) -> None:
        session = self.session
        if placement.is_fenced and session.confirmed.get(step.tree, -1) < placement.epoch:
            return  # a renewal has to name it first, and it wakes us
        which = (placement.tree, placement.revision, placement.epoch)
        if self._refused.get(which, 0.0) > session.clock.boot():
            return
        arguments: dict[str, Any] = {
            "spec": placement.document,
            "message": placement.message[:4000],
            "from_revision": step.known,
            "revision": placement.revision,
            "origin": "store",
            "epoch": placement.epoch,
            "fence": placement.is_fenced,
        }
        if step.known is None and placement.carry:
            arguments["carry"] = placement.carry
        try:
            self._control.call("apply", timeout_s=APPLY_LIMIT_S, **arguments)
        except NodeUnreachableError:
            raise
        except ControlError as error:
            if error.code in ("conflict", "unavailable", "timeout"):
                return  # the next round looks again
            self._refused[which] = session.clock.boot() + REFUSED_AGAIN_S
            self._report(placement, _words(error))
            return
        self._refused.pop(which, None)
        self._report(placement, "")

    def _report(self, placement: DesiredPlacement, problem: str) -> None:
        """Why the node does not have it, or that it does."""
        if placement.problem != problem:
            with self.session.deadlines.within(READ_LIMIT_S):
                placements.report_problem(
                    node_id=self.session.node_id,
                    tree=placement.tree,
                    epoch=placement.epoch,
                    revision=placement.revision,
                    problem=problem,
                )


def _words(error: ControlError) -> str:
    """What a person can act on: every finding, not only the first."""
    found = [
        f"{finding.get('pointer', '')}: {finding.get('message', '')}"
        for finding in (*error.details.get("findings", ()), *error.details.get("errors", ()))
        if finding.get("severity", "error") == "error"
    ]
    return "; ".join(found)[:2000] if found else f"{error.code}: {error.message}"[:2000]
