"""Writes of the desired state: revisions. Each is one transaction with its audit entry; nodes are woken on commit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.models import Node
from supervision.runtime.placementfields import ONE
from supervision.runtime.treedoc import TreeDocument
from supervision.trees.documents import read_document, stored
from supervision.trees.exceptions import IllegalTransitionError, NotFoundError, StaleVersionError
from supervision.trees.models import Placement, PlacementState, Rollout, RolloutState, Tree, TreeRevision
from supervision.trees.notices import notify_desired
from supervision.trees.resolving import REVISION, Resolved, resolve
from supervision.trees.trials import Watch

SUPERSEDED = "superseded by revision"
"""How the reason of a rollout begins that ended because another revision came."""
CANARY = "canary"
"""Source of a revision that was made for a trial: no way back leads to it unless somebody names it."""


@dataclass(frozen=True, slots=True)
class RolloutOptions:
    """How a revision reaches its places; None means what the document says.

    back_to  the revision that a roll-back goes to, where it is not the head before; None: that
    trial    it is tried on one child of the first place, and goes no further
    """

    max_unavailable: int | None = None
    ready_deadline_s: float | None = None
    auto_rollback: bool | None = None
    back_to: TreeRevision | None = None
    trial: "Trial | None" = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What is watched, and for how many seconds it has to stay ready."""

    watch: Watch
    observe_s: float


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply did. `changed` is False when the head says the same already."""

    tree: Tree
    revision: TreeRevision
    changed: bool
    rollout: Rollout | None = None


def apply_tree(
    *,
    document: object,
    message: str,
    actor: Actor,
    expected_version: int | None = None,
    rollout: RolloutOptions | None = None,
    source: str = "api",
) -> Applied:
    """Make `document` the tree's head revision; the first places take it at once, the others follow (rollouts).

    expected_version: what the caller saw (0: no such tree); None: whatever is there. Raises InvalidDocumentError,
    StaleVersionError. `document` is JSON, or a TreeDocument that was read from text.
    """
    parsed = document if isinstance(document, TreeDocument) else read_document(document)
    with auditlog.audited():
        # Before the tree is locked: whoever changes what it names locks that first, and then the trees that name it.
        resolved = resolve(parsed)
        tree = _locked_or_new(parsed.name)
        _refuse_stale(tree, expected_version)
        applied = _apply(tree, parsed, resolved, message, actor, rollout or RolloutOptions(), source)
        auditlog.record(
            actor=actor,
            action="tree.apply",
            target=tree.name,
            tree=tree.name,
            reason=message,
            details={"revision": applied.revision.number, "changed": applied.changed, "source": source},
        )
    return applied


def rollback_tree(
    *,
    name: str,
    to_number: int | None = None,
    message: str = "",
    actor: Actor,
    expected_version: int | None = None,
    rollout: RolloutOptions | None = None,
) -> Applied:
    """Apply an earlier revision again, as a new one (None: the one before the head).

    Raises NotFoundError, StaleVersionError, IllegalTransitionError when there is nothing to go back to.
    """
    with auditlog.audited():
        tree = _locked(name)
        _refuse_stale(tree, expected_version)
        target = _rollback_target(tree, to_number)
        words = message or f"roll back to revision {target.number}"
        parsed = read_document(target.document)
        as_it_ran = Resolved(parsed if target.resolved is None else read_document(target.runs), target.pins)
        applied = _apply(tree, parsed, as_it_ran, words, actor, rollout or RolloutOptions(), "rollback")
        auditlog.record(
            actor=actor,
            action="tree.rollback",
            target=tree.name,
            tree=tree.name,
            reason=words,
            details={"to": target.number, "revision": applied.revision.number, "changed": applied.changed},
        )
    return applied


def follow(
    *, tree: Tree, names: Mapping[str, int], message: str, actor: Actor, rollout: RolloutOptions | None = None
) -> Applied:
    """What the tree names has new revisions (`names`): it takes them as a revision of its own; what else it names stays.

    The caller holds the locks of `tree` and of what has changed, and tells the audit log. Raises InvalidDocumentError.
    """
    head = tree.head
    if head is None:
        raise NotFoundError(f"there is no tree {tree.name!r}")
    parsed = stored(head.document)
    kept = {name: int(pin[REVISION]) for name, pin in head.pins.items()}
    resolved = resolve(parsed, {**kept, **names})
    return _apply(tree, parsed, resolved, message, actor, rollout or RolloutOptions(), "config")


def try_out(
    *, tree: Tree, resolved: Resolved, message: str, actor: Actor, rollout: RolloutOptions
) -> Applied:
    """`resolved` differs from what the tree runs in one child, which is watched (`rollout.trial`): a revision of its own,
    for the first place alone, that is gone back from by itself when it fails.

    The caller holds the tree's lock, and tells the audit log. Raises NotFoundError.
    """
    if tree.head is None:
        raise NotFoundError(f"there is no tree {tree.name!r}")
    return _apply(tree, stored(tree.head.document), resolved, message, actor, rollout, CANARY)


def delete_tree(*, name: str, actor: Actor, reason: str = "", expected_version: int | None = None) -> Tree:
    """Stop the tree everywhere and forget it; its revisions stay and a later apply goes on counting.

    Raises NotFoundError, StaleVersionError.
    """
    with auditlog.audited():
        tree = _locked(name)
        _refuse_stale(tree, expected_version)
        tree.deleted_at = timezone.now()
        tree.version += 1
        tree.save(update_fields=["deleted_at", "version"])
        tree.placements.update(state=PlacementState.REMOVING)
        _end_rollouts(tree, "the tree was deleted")
        auditlog.record(actor=actor, action="tree.delete", target=name, tree=name, reason=reason)
        notify_desired()
    return tree


def record_local_apply(
    *,
    node: Node,
    document: Mapping[str, Any],
    message: str,
    actor: Actor,
    base_digest: str | None,
) -> Applied | None:
    """A tree was applied on a host through its own control socket: it becomes a revision.

    `base_digest` is what that node had before. None when the head moved on meanwhile (it says neither that nor this): then
    the head wins, the node gets it again, and the audit log says so.
    """
    parsed = read_document(dict(document))
    with auditlog.audited():
        resolved = resolve(parsed)
        tree = _locked_or_new(parsed.name)
        head = tree.head
        is_known = tree.deleted_at is None and head is not None
        if is_known and head is not None and head.digest not in (base_digest, parsed.digest):
            auditlog.record(
                actor=actor,
                action="tree.apply_local",
                target=tree.name,
                tree=tree.name,
                reason=message,
                outcome="refused",
                details={"node": node.id, "why": f"the head was at revision {head.number} already"},
            )
            notify_desired()
            return None
        applied = _apply(tree, parsed, resolved, message, actor, RolloutOptions(), "local")
        _place_where_it_runs(applied, node)
        auditlog.record(
            actor=actor,
            action="tree.apply_local",
            target=tree.name,
            tree=tree.name,
            reason=message,
            details={"node": node.id, "revision": applied.revision.number, "changed": applied.changed},
        )
    return applied


def record_local_delete(*, node: Node, name: str, actor: Actor) -> None:
    """A tree was deleted on a host through its own control socket. Where it also runs elsewhere only this place ends."""
    with auditlog.audited():
        tree = Tree.objects.select_for_update().filter(name=name, deleted_at=None).first()
        if tree is None:
            return
        tree.placements.filter(node=node).delete()
        if not tree.placements.exists():
            tree.deleted_at = timezone.now()
            _end_rollouts(tree, "the tree was deleted")
        tree.version += 1
        tree.save(update_fields=["deleted_at", "version"])
        auditlog.record(
            actor=actor, action="tree.delete_local", target=name, tree=name, details={"node": node.id}
        )
        notify_desired()


def _place_where_it_runs(applied: Applied, node: Node) -> None:
    tree = applied.tree
    runs = {"revision": applied.revision, "state": PlacementState.ASSIGNED, "problem": "", "removed_at": None}
    placed = {"epoch": tree.epoch + 1, "assigned_at": timezone.now(), "replica": tree.placements.count()}
    _, made = Placement.objects.update_or_create(
        tree=tree, node=node, defaults=runs, create_defaults={**runs, **placed}
    )
    if made:
        tree.epoch += 1  # audit: ignore[SUP701] the apply before it, in this transaction, has locked the row
        tree.save(update_fields=["epoch"])


# -- the parts of an apply ------------------------------------------------------------------------------------------------


def _locked_or_new(name: str) -> Tree:
    Tree.objects.bulk_create([Tree(name=name, created_at=timezone.now())], ignore_conflicts=True)
    # Without a join: after a wait for the lock PostgreSQL shows the new row of this table, but of joined ones the old.
    return Tree.objects.select_for_update().get(name=name)


def _locked(name: str) -> Tree:
    tree = Tree.objects.select_for_update().filter(name=name, deleted_at=None).first()
    if tree is None or tree.head_id is None:
        raise NotFoundError(f"there is no tree {name!r}")
    return tree


def _refuse_stale(tree: Tree, expected: int | None) -> None:
    current = tree.version if tree.deleted_at is None else 0
    if expected is not None and expected != current:
        raise StaleVersionError(tree.name, expected, current)


def _apply(
    tree: Tree,
    parsed: TreeDocument,
    resolved: Resolved,
    message: str,
    actor: Actor,
    options: RolloutOptions,
    source: str,
) -> Applied:
    before = tree.head
    if before is not None and tree.deleted_at is None and _says_the_same(before, parsed, resolved):
        return Applied(tree, before, changed=False)
    last = tree.revisions.order_by("-number").values_list("number", flat=True).first() or 0
    revision = TreeRevision.objects.create(
        tree=tree,
        number=last + 1,
        document=parsed.document,
        resolved=None if resolved.tree is parsed else resolved.tree.document,
        pins={name: dict(pin) for name, pin in resolved.pins.items()},
        digest=resolved.tree.digest,
        message=message,
        author=actor.name,
        source=source,
        base_number=before.number if before is not None else None,
        created_at=timezone.now(),
    )
    if tree.deleted_at is not None:
        _keep_places(tree, parsed)
    tree.head, tree.deleted_at = revision, None
    tree.version += 1  # audit: ignore[SUP701] every caller, and that of follow, holds the lock
    tree.save(update_fields=["head", "version", "deleted_at"])
    notify_desired()
    return Applied(
        tree, revision, changed=True, rollout=_begin_rollout(tree, before, revision, parsed, options)
    )


def _says_the_same(before: TreeRevision, parsed: TreeDocument, resolved: Resolved) -> bool:
    """What is written and what it means; one that follows what it names is not the same as one that wrote it out."""
    if before.digest != resolved.tree.digest:
        return False
    if not before.pins and not resolved.pins:
        return True
    return before.pins == dict(resolved.pins) and stored(before.document).digest == parsed.digest


def _begin_rollout(
    tree: Tree,
    before: TreeRevision | None,
    revision: TreeRevision,
    parsed: TreeDocument,
    options: RolloutOptions,
) -> Rollout | None:
    """The first `max_unavailable` places take the revision in this transaction; the controller leads on to the others.

    A rollout that is under way ends; what it came from is what this one goes back to, unless it was a way back itself.
    """
    under_way = tree.rollouts.filter(state=RolloutState.RUNNING).select_related("to_revision").first()
    if under_way is not None and under_way.to_revision.source != "rollback":
        before = under_way.from_revision or before
    before = options.back_to or before
    _end_rollouts(tree, f"{SUPERSEDED} {revision.number}")
    placements = list(tree.placements.exclude(state=PlacementState.REMOVING).order_by("replica", "id"))
    if not placements:
        return None
    declared = parsed.document.get("rollout") or {}
    most = options.max_unavailable or int(declared.get("max_unavailable", 1))
    first = [placement.pk for placement in placements[:most]]
    Placement.objects.filter(pk__in=first).update(revision=revision, problem="")
    deadline_s, rolls_back = options.ready_deadline_s, options.auto_rollback
    trial = options.trial
    return Rollout.objects.create(
        tree=tree,
        from_revision=before,
        to_revision=revision,
        max_unavailable=most,
        ready_deadline_s=float(declared.get("ready_deadline", 300)) if deadline_s is None else deadline_s,
        auto_rollback=bool(declared.get("auto_rollback", False)) if rolls_back is None else rolls_back,
        places=None if trial is None else len(first),
        observe_s=0.0 if trial is None else trial.observe_s,
        watch={} if trial is None else trial.watch.to_json(),
        started_at=timezone.now(),
    )


def _keep_places(tree: Tree, parsed: TreeDocument) -> None:
    """A tree that was deleted comes back before it was gone: where it still is, it stays; of one place, the newest."""
    still = tree.placements.filter(removed_at=None).order_by("-epoch")
    if parsed.document["placement"]["mode"] == ONE:
        still = still[:1]
    tree.placements.filter(pk__in=list(still.values_list("pk", flat=True))).update(
        state=PlacementState.ASSIGNED
    )


def _end_rollouts(tree: Tree, why: str) -> None:
    tree.rollouts.filter(state=RolloutState.RUNNING).update(
        state=RolloutState.FAILED, reason=why, finished_at=timezone.now()
    )


def _rollback_target(tree: Tree, to_number: int | None) -> TreeRevision:
    revisions = tree.revisions.order_by("-number")
    if to_number is not None:
        target = revisions.filter(number=to_number).first()
        if target is None:
            raise NotFoundError(f"{tree.name} has no revision {to_number}")
        return target
    head = tree.head
    earlier = revisions.exclude(source=CANARY).filter(number__lt=head.number) if head else revisions.none()
    target = earlier.exclude(digest=head.digest).first() if head else None
    if target is None:
        raise IllegalTransitionError(f"{tree.name} has no revision before its head to go back to")
    return target
