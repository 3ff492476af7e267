"""Coverage of a node: how many of the processes that descend from it belong to a child, and which do not.

A child counts with all that is below it, as it was sampled within the last minutes; a stray counts by itself. What runs on
the host and does not descend from the guardian is nobody's business here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild, Stray
from supervision.samples.models import SampleMinute

SAMPLED_WITHIN = timedelta(minutes=3)
LIVING = ("starting", "running", "stopping")


@dataclass(frozen=True, slots=True)
class Coverage:
    """Processes of one node: children's own, what is below them, and strays."""

    node: str
    host: str
    children: int
    below: int
    strays: int

    @property
    def processes(self) -> int:
        return self.children + self.below + self.strays

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where nothing runs."""
        return None if not self.processes else (self.processes - self.strays) / self.processes


def coverage() -> Sequence[Coverage]:
    """Of every node, by name: three queries."""
    living = Q(removed=False, is_supervisor=False, state__in=LIVING, pid__isnull=False)
    children = dict(
        ObservedChild.objects.filter(living).order_by().values_list("node_id").annotate(number=Count("id"))
    )
    newest = SampleMinute.objects.filter(at__gte=timezone.now() - SAMPLED_WITHIN).annotate(
        place=Window(RowNumber(), partition_by=[F("node_id"), F("key")], order_by=F("at").desc())
    )
    below: dict[str, int] = {}
    for node, number in (
        newest.filter(place=1).exclude(key__startswith="system/@").values_list("node_id", "children_max")
    ):
        below[node] = below.get(node, 0) + (number or 0)
    nodes = Node.objects.annotate(found=Count("strays", filter=Q(strays__state=Stray.State.FOUND))).order_by(
        "name", "id"
    )
    return [
        Coverage(node.pk, node.name, children.get(node.pk, 0), below.get(node.pk, 0), node.found)
        for node in nodes
    ]
