"""What a node reports of the trees that are placed on it. Each write names the placement's epoch."""

from django.db import transaction

from supervision.trees.models import Placement, PlacementState
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
    """Nothing of a tree that was to be removed is left on the node. Whether there was such a placement."""
    with transaction.atomic():
        ended, _ = Placement.objects.filter(
            node_id=node_id, tree__name=tree, epoch=epoch, state=PlacementState.REMOVING
        ).delete()
        if ended:
            notify_desired()
    return bool(ended)
