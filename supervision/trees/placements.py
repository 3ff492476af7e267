"""What a node reports of the trees that are placed on it. Each write names the placement's epoch."""

from collections.abc import Mapping

from django.db import transaction

from supervision.fleet.services import database_now
from supervision.trees.models import Placement, PlacementState, TreeRevision
from supervision.trees.notices import notify_desired


def report_problem(*, node_id: str, tree: str, epoch: int, revision: int, problem: str) -> bool:
    """Why the node does not have the revision, in words; empty: it has. Whether the placement still is the one meant."""
    return (
        Placement.objects.filter(
            node_id=node_id, tree__name=tree, epoch=epoch, revision__number=revision
        ).update(problem=problem)
        == 1
    )


def end_placement(*, node_id: str, tree: str, epoch: int) -> bool:
    """Nothing of a tree that was to be removed is left on the node. Whether there was such a placement.

    Only from then on may a singleton start elsewhere. The row stays until it has given what it carries to the next place.
    """
    removing = Placement.objects.filter(
        node_id=node_id, tree__name=tree, epoch=epoch, state=PlacementState.REMOVING, removed_at=None
    )
    with transaction.atomic():
        forgotten, _ = removing.filter(tree__deleted_at__isnull=False).delete()
        ended = forgotten or removing.update(removed_at=database_now())
        if ended:
            notify_desired()
    return bool(ended)


def moved_away(*, node_id: str, digests: Mapping[str, str]) -> set[str]:
    """Of trees (name -> digest) that a node has from its own command line: those that became a revision and were placed on
    other nodes only, before the node heard that they are the store's."""
    known = TreeRevision.objects.filter(
        tree__name__in=digests, tree__deleted_at=None, tree__placements__isnull=False
    ).exclude(tree__placements__node_id=node_id)
    return {
        name
        for name, digest in known.values_list("tree__name", "digest").distinct()
        if digests.get(name) == digest
    }
