"""Trees that follow a config move on with it, in the transaction that makes the revision its newest."""

from collections.abc import Mapping
from dataclasses import replace

from agents.configs import selectors
from agents.configs.models import AgentConfig, AgentConfigRevision
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.trees import services as trees
from supervision.trees.exceptions import Fault, InvalidDocumentError
from supervision.trees.models import Tree, TreeRevision
from supervision.trees.services import Applied, RolloutOptions


def become_newest(
    config: AgentConfig,
    revision: AgentConfigRevision,
    message: str,
    actor: Actor,
    rollout: RolloutOptions | None,
    *,
    back_to: Mapping[str, TreeRevision | None] | None = None,
) -> list[Applied]:
    """The config is what `revision` says, and so are the trees that follow. The caller holds the config's lock.

    back_to: revisions that trees go back to when they cannot follow, if not their head. Raises InvalidDocumentError.
    """
    config.head = revision
    config.version += 1  # audit: ignore[SUP701] every caller holds the lock
    config.save(update_fields=["head", "version"])
    return _move_trees(config, revision, message, actor, rollout, back_to or {})


def _move_trees(
    config: AgentConfig,
    revision: AgentConfigRevision,
    message: str,
    actor: Actor,
    rollout: RolloutOptions | None,
    back_to: Mapping[str, TreeRevision | None],
) -> list[Applied]:
    """A revision of each tree that follows. Under the config's lock no tree can begin to."""
    found = list(selectors.trees_following(config.ref).values_list("pk", flat=True))
    moved = []
    for tree in Tree.objects.select_for_update().filter(pk__in=found).order_by("name"):
        # Looked at again: it may have been changed, or deleted, before its lock was ours.
        pin = tree.head.pins.get(config.ref) if tree.head is not None and tree.deleted_at is None else None
        if pin is None or not pin["follows"]:
            continue
        words = f"{config.ref} revision {revision.number}" + (f": {message}" if message else "")
        options = replace(rollout or RolloutOptions(), back_to=back_to.get(tree.name))
        try:
            applied = trees.follow(
                tree=tree, names={config.ref: revision.number}, message=words, actor=actor, rollout=options
            )
        except InvalidDocumentError as error:
            raise InvalidDocumentError(
                [Fault(fault.pointer, f"tree {tree.name}: {fault.detail}") for fault in error.faults]
            ) from error
        moved.append(applied)
        details = {"revision": applied.revision.number, "changed": applied.changed, "config": config.ref}
        auditlog.record(
            actor=actor, action="tree.follow", target=tree.name, tree=tree.name, reason=words, details=details
        )
    return moved
