"""A config's revision that one agent tries first: begun with the edit, led on by the controller, ended by what it shows.

While it is tried the revision before stays the config's newest, so that a tree that is applied meanwhile gets that one.
When the agent was ready for as long as it is observed, the revision becomes the newest and every tree that follows moves on;
when it was not, its tree has gone back by itself (`supervision.trees.rollouts`) and nothing else ever changed.
Locks are taken as in `agents.configs.services`: the config, then trees.
"""

import logging
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from agents.configs import selectors
from agents.configs.document import ConfigDocument
from agents.configs.following import become_newest
from agents.configs.models import AgentConfig, AgentConfigRevision, CanaryState, ConfigCanary
from agents.configs.trying import Tried, templates_of, tried
from agents.exceptions import CannotTryError, UnderWayError
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.leading import Leader, led
from supervision.trees import services as trees
from supervision.trees.exceptions import TreesError
from supervision.trees.models import Placement, PlacementState, RolloutState, Tree
from supervision.trees.services import Applied, RolloutOptions, Trial

CANARY = RolloutOptions(max_unavailable=1, auto_rollback=True)
"""How the others follow: place by place, and back by itself where one is not ready."""
CONTROLLER = Actor.system("controller")
OBSERVE_S = 10.0
MAX_OBSERVE_S = 24 * 3600.0
KEPT = 50
"""Of one config."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CanaryOptions:
    """How long the agent has to stay ready, in seconds."""

    observe_s: float = OBSERVE_S


@dataclass(frozen=True, slots=True)
class Begun:
    """A trial, and what became of its tree."""

    row: ConfigCanary
    applied: Applied


def begin(
    config: AgentConfig, revision: AgentConfigRevision, message: str, actor: Actor, options: CanaryOptions
) -> Begun | None:
    """One agent tries the revision; None where none runs the config. The caller holds the config's lock.

    Raises InvalidDocumentError when a tree that follows could not move on, UnderWayError while the tree of the agent has a
    rollout that is none of ours, CannotTryError where agents run the config and none of them can differ from the others.
    """
    selectors.trees_after(config.ref, ConfigDocument(revision.document), number=revision.number)
    before = config.canaries.filter(state=CanaryState.RUNNING).first()
    found = _place(config, revision, before.tree if before is not None else "")
    if found is None:
        why = why_none_can(config)
        if why:
            raise CannotTryError(why)
        return None
    tree, placement, trial = found
    under_way = tree.rollouts.filter(state=RolloutState.RUNNING).first()
    if under_way is not None and (before is None or before.rollout_id != under_way.pk):
        raise UnderWayError(f"tree {tree.name} has a rollout under way: wait for its end, then try again")
    if before is not None:
        _end(
            before,
            CanaryState.ENDED,
            f"revision {revision.number} was applied",
            goes_back=before.tree != tree.name,
        )
    words = f"{config.ref} revision {revision.number}, tried by {trial.watch.key}"
    applied = trees.try_out(
        tree=tree,
        resolved=trial.resolved,
        message=f"{words}: {message}" if message else words,
        actor=actor,
        rollout=RolloutOptions(1, auto_rollback=True, trial=Trial(trial.watch, options.observe_s)),
    )
    row = ConfigCanary.objects.create(
        config=config,
        revision=revision,
        rollout=applied.rollout,
        tree=tree.name,
        key=trial.watch.key,
        node=placement.node.name,
        observe_s=options.observe_s,
        started_at=timezone.now(),
    )
    config.version += 1  # audit: ignore[SUP701] the caller holds the lock
    config.save(update_fields=["version"])
    kept = config.canaries.order_by("-id").values("pk")[:KEPT]
    config.canaries.exclude(pk__in=kept).delete()
    return Begun(row, applied)


def _place(
    config: AgentConfig, revision: AgentConfigRevision, first: str
) -> tuple[Tree, Placement, Tried] | None:
    """Where it is tried: in tree `first` if that follows still, else in the first that runs somewhere."""
    pks = [tree.pk for tree in selectors.trees_following(config.ref)]
    found = list(Tree.objects.select_for_update().filter(pk__in=pks).order_by("name"))
    for tree in sorted(found, key=lambda tree: (tree.name != first, tree.name)):
        pin = tree.head.pins.get(config.ref) if tree.head is not None and tree.deleted_at is None else None
        if tree.head is None or pin is None or not pin["follows"]:
            continue
        places = tree.placements.exclude(state=PlacementState.REMOVING).order_by("replica", "id")
        placement = places.select_related("node").first()
        if placement is None:
            continue
        trial = tried(tree.head, config.ref, revision.number, placement.node_id)
        if trial is not None:
            return tree, placement, trial
    return None


def why_none_can(config: AgentConfig) -> str:
    """Why no agent can try a revision before the others; empty where one can, or where nothing runs that could."""
    found: list[str] = []
    placed = selectors.trees_following(config.ref).filter(
        placements__in=Placement.objects.exclude(state=PlacementState.REMOVING)
    )
    for tree in placed.distinct().select_related("head__tree"):
        above, others = templates_of(tree.head, config.ref) if tree.head is not None else ([], False)
        if others:
            return ""
        found += above
    if not found:
        return ""
    shown = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return (
        f"no agent can try it alone: {shown} makes its agents of one template (simple_one_for_one), so they "
        "cannot differ. Apply it to all at once"
    )


def supersede(config: AgentConfig, revision: AgentConfigRevision) -> None:
    """Another revision is applied, to all at once: what was tried is over, and its tree moves on with the others."""
    for row in config.canaries.filter(state=CanaryState.RUNNING):
        _end(row, CanaryState.ENDED, f"revision {revision.number} was applied", goes_back=False)


def stop(config: AgentConfig, actor: Actor, reason: str) -> bool:
    """End what is tried, and go back; whether something was. The caller holds the config's lock."""
    row = config.canaries.filter(state=CanaryState.RUNNING).first()
    if row is None:
        return False
    _end(row, CanaryState.ENDED, reason, goes_back=True)
    config.version += 1  # audit: ignore[SUP701] the caller holds the lock
    config.save(update_fields=["version"])
    details = {"revision": row.revision.number, "key": row.key}
    auditlog.record(
        actor=actor, action="agent_config.stop_canary", target=config.ref, reason=reason, details=details
    )
    return True


def _end(row: ConfigCanary, state: CanaryState, reason: str, *, goes_back: bool) -> None:
    row.state, row.reason, row.finished_at = state, reason, timezone.now()
    row.save(update_fields=["state", "reason", "finished_at"])
    rollout = row.rollout
    if goes_back and rollout is not None and rollout.from_revision is not None:
        message = f"{row.config.ref} revision {row.revision.number} is tried no more: {reason}"
        trees.rollback_tree(
            name=row.tree, to_number=rollout.from_revision.number, message=message, actor=CONTROLLER
        )


def running_canaries() -> list[int]:
    """Ids of what is tried, the oldest first."""
    return list(
        ConfigCanary.objects.filter(state=CanaryState.RUNNING).order_by("pk").values_list("pk", flat=True)
    )


def advance_canary(leader: Leader, pk: int) -> ConfigCanary | None:
    """End a trial whose verdict is there, in one transaction; it, if it ended. Raises NotLeadingError."""
    with led(leader), auditlog.audited():
        ref = ConfigCanary.objects.filter(pk=pk).values_list("config_id", flat=True).first()
        if ref is None:
            return None
        config = AgentConfig.objects.select_for_update().filter(pk=ref).first()
        rows = ConfigCanary.objects.select_related("revision", "rollout__from_revision")
        row = rows.filter(pk=pk, state=CanaryState.RUNNING).first()
        if config is None or row is None:
            return None
        if row.rollout is not None and row.rollout.state == RolloutState.RUNNING:
            return None
        row.config = config
        if row.rollout is not None and row.rollout.state == RolloutState.DONE:
            _passed(config, row)
        else:
            _failed(config, row, row.rollout.reason if row.rollout is not None else "its rollout is gone")
        return row


def _passed(config: AgentConfig, row: ConfigCanary) -> None:
    """The revision is the newest, and the others follow. A tree that cannot makes the trial fail after all."""
    message = f"{row.key} was ready for {row.observe_s:g} s"
    back_to = row.rollout.from_revision if row.rollout is not None else None
    try:
        with transaction.atomic():
            become_newest(config, row.revision, message, CONTROLLER, CANARY, back_to={row.tree: back_to})
    except TreesError as error:
        config.refresh_from_db()
        log.warning("revision %d of %s: %s", row.revision.number, config.ref, error)
        reason = f"{message}, but not every tree can follow: {error}"
        _end(row, CanaryState.FAILED, reason, goes_back=True)
        _tell(config, row, "failed")
        return
    _end(row, CanaryState.DONE, message, goes_back=False)
    _tell(config, row, "ok")


def _failed(config: AgentConfig, row: ConfigCanary, reason: str) -> None:
    _end(row, CanaryState.FAILED, reason, goes_back=False)
    config.version += 1  # audit: ignore[SUP701] the caller holds the lock
    config.save(update_fields=["version"])
    _tell(config, row, "failed")


def _tell(config: AgentConfig, row: ConfigCanary, outcome: str) -> None:
    auditlog.record(
        actor=CONTROLLER,
        action="agent_config.canary",
        target=config.ref,
        reason=row.reason,
        outcome=outcome,
        details={"revision": row.revision.number, "key": row.key, "node": row.node},
    )
