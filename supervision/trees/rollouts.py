"""Rollouts in the rows: what `supervision.trees.rolling` decides, done one transaction at a time, and the way back."""

import copy
import logging
from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.db.models import QuerySet

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.leading import Leader, led
from supervision.fleet.models import NodeState
from supervision.fleet.services import database_now
from supervision.trees.models import Placement, PlacementState, Rollout, RolloutState, Tree, TreeRevision
from supervision.trees.notices import notify_desired
from supervision.trees.readiness import Readiness, readiness_of
from supervision.trees.rolling import Advance, Bounds, Place, Standing, advance
from supervision.trees.services import SUPERSEDED, RolloutOptions, rollback_tree
from supervision.trees.trials import READY_AT, Watch, standing, watched

CONTROLLER = Actor.system("controller")
log = logging.getLogger(__name__)


def running_rollouts() -> list[int]:
    """Ids of the rollouts that are under way, the oldest first."""
    return list(
        Rollout.objects.filter(state=RolloutState.RUNNING).order_by("pk").values_list("pk", flat=True)
    )


def advance_rollout(leader: Leader, pk: int) -> Rollout | None:
    """Lead a rollout one step on, in one transaction; it, if it ended. Raises NotLeadingError."""
    with led(leader):
        found = Rollout.objects.filter(pk=pk).values_list("tree_id", flat=True).first()
        if found is None:
            return None
        tree = Tree.objects.select_for_update().get(pk=found)
        rollout = Rollout.objects.filter(pk=pk, state=RolloutState.RUNNING).first()
        return rollout if rollout is not None and _advance(tree, rollout) else None


def _advance(tree: Tree, rollout: Rollout) -> bool:
    """One step under the tree's lock; whether it ended."""
    now = database_now()
    target = TreeRevision.objects.defer("document", "resolved").get(pk=rollout.to_revision_id)
    before = copy.deepcopy(rollout.progress)
    placements = list(
        Placement.objects.filter(tree=tree).exclude(state=PlacementState.REMOVING).select_related("node")
    )
    moved = [placement.node_id for placement in placements if placement.revision_id == target.pk]
    found = readiness_of({(node_id, tree.name): target.digest for node_id in moved})
    places = [
        _place(placement, rollout, target, found.get((placement.node_id, tree.name)), now.timestamp())
        for placement in placements
    ]
    bounds = Bounds(rollout.max_unavailable, rollout.ready_deadline_s, rollout.places, rollout.observe_s)
    step = advance(places, bounds, now.timestamp())
    for pk in step.move:
        Placement.objects.filter(pk=pk).update(revision=target, problem="")
        rollout.progress[str(pk)] = {"at": now.timestamp()}
    if step.move:
        notify_desired()
    if step.done is not None:
        _end(tree, rollout, target, step, now)
    elif rollout.progress != before:
        rollout.save(update_fields=["progress"])
    return step.done is not None


def _place(
    placement: Placement, rollout: Rollout, target: TreeRevision, found: Readiness | None, now: float
) -> Place:
    node = placement.node
    if placement.revision_id != target.pk or found is None:
        return Place(placement.pk, node.name, Standing.OLD)
    told = rollout.progress.setdefault(str(placement.pk), {"at": rollout.started_at.timestamp()})
    at = float(told["at"])
    if node.state == NodeState.DOWN:
        away = Standing.COMING if rollout.watch else Standing.AWAY
        return Place(placement.pk, node.name, away, at, "the node is down")
    if placement.problem:
        return Place(placement.pk, node.name, Standing.FAILED, words=f"refused: {placement.problem}")
    if rollout.watch:
        watch = Watch.from_json(rollout.watch)
        seen = watched(placement.node_id, target.digest, watch)
        is_at, words = standing(watch, seen, told, now)
        return Place(placement.pk, node.name, is_at, at, words, told.get(READY_AT))
    is_at, words = _standing(found, told)
    return Place(placement.pk, node.name, is_at, at, words)


def _standing(found: Readiness, told: dict[str, float]) -> tuple[Standing, str]:
    """A supervisor that gave up and was started again meanwhile is known by its count, compared with the first look."""
    if not found.arrived:
        return Standing.COMING, found.missing
    first = told.setdefault("supervisor_restarts", found.supervisor_restarts)
    if found.gave_up:
        return Standing.FAILED, found.gave_up
    if found.supervisor_restarts > first:
        return Standing.FAILED, "a supervisor gave up and was started again"
    return (Standing.READY, "") if found.is_ready else (Standing.COMING, found.missing)


def _end(tree: Tree, rollout: Rollout, target: TreeRevision, step: Advance, now: datetime) -> None:
    back = rollout.from_revision if rollout.auto_rollback and not step.done else None
    if step.done:
        rollout.state = RolloutState.DONE
    else:
        rollout.state = RolloutState.FAILED if back is None else RolloutState.ROLLED_BACK
    rollout.reason = step.reason
    rollout.finished_at = now
    rollout.save(update_fields=["state", "reason", "finished_at", "progress"])
    if step.done:
        return
    auditlog.record(
        actor=CONTROLLER, action="rollout.failed", target=tree.name, tree=tree.name, reason=step.reason, outcome="failed",
        details={"revision": target.number, "rolled_back_to": None if back is None else back.number},
    )  # fmt: skip
    if back is not None:
        _try_to_roll_back(tree, rollout, target, back)


def _try_to_roll_back(tree: Tree, rollout: Rollout, failed: TreeRevision, back: TreeRevision) -> None:
    """Once. What cannot be gone back to (its document is refused by now) will not be there at the next tick either: the
    rollout has failed then, which somebody is told of, and its places keep what they have."""
    try:
        with auditlog.audited():
            _roll_back(tree, failed, back, rollout.reason)
    except (DatabaseError, InterfaceError):
        raise  # all of it is undone, and comes again at the next tick
    except Exception as error:
        log.exception("revision %d of %s cannot be gone back to", back.number, tree.name)
        words = f"going back to revision {back.number} failed: {error}"
        rollout.state, rollout.reason = RolloutState.FAILED, f"{rollout.reason}; {words}"
        rollout.save(update_fields=["state", "reason"])
        auditlog.record(
            actor=CONTROLLER, action="tree.rollback", target=tree.name, tree=tree.name, reason=words, outcome="failed",
            details={"to": back.number},
        )  # fmt: skip


def _roll_back(tree: Tree, failed: TreeRevision, back: TreeRevision, reason: str) -> None:
    """The revision before, as a new one. Places that never left it only learn its new number."""
    message = f"roll back to revision {back.number}: revision {failed.number} failed {reason}"
    options = RolloutOptions(auto_rollback=False)
    applied = rollback_tree(
        name=tree.name, to_number=back.number, message=message, actor=CONTROLLER, rollout=options
    )
    if applied.changed:
        Placement.objects.filter(tree=tree, revision=back).update(revision=applied.revision)


def failures(*, since: datetime) -> QuerySet[Rollout]:
    """Rollouts that failed by themselves since then, rolled back or not: what somebody should hear of."""
    ended = Rollout.objects.filter(
        state__in=(RolloutState.ROLLED_BACK, RolloutState.FAILED),
        finished_at__gt=since,
        tree__deleted_at=None,
    )
    return ended.exclude(reason__startswith=SUPERSEDED).select_related("tree", "to_revision").order_by("id")
