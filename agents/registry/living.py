"""Which registrations are somebody's now: the one condition that every lookup and every new holder goes by.

A registration of an incarnation ends with what the journal says of that incarnation, or with the lease of its node (from the
moment at which its trees are taken over, docs/fleet.md). Nothing has to delete the row for that: a row whose owner is gone
is invisible from the transaction on that recorded it.
"""

from django.db.models import BooleanField, Exists, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from agents.registry.models import Registration
from supervision.journal.models import Incarnation

TAKEN_OVER_S = 2
"""After the end of a node's lease its trees start elsewhere."""

LIVING = f"""(
    r.lease_until > clock_timestamp()
    OR (
        r.node_id IS NOT NULL
        AND EXISTS (
            SELECT 1
            FROM supervision_node n
            WHERE n.id = r.node_id
              AND n.lease_until + interval '{TAKEN_OVER_S} seconds' > clock_timestamp()
        )
        AND NOT EXISTS (
            SELECT 1
            FROM supervision_incarnation i
            WHERE i.node_id = r.node_id
              AND i.key = r.child
              AND i.number = r.incarnation
              AND i.ended_at IS NOT NULL
        )
    )
)"""  # noqa: S608  a constant
"""Of `agents_registration r`. clock_timestamp() and the statement's own snapshot: an end that was recorded before the
statement began is seen."""


def living() -> QuerySet[Registration]:
    """Registrations whose owner lives."""
    condition = LIVING.replace("r.", "agents_registration.")
    return Registration.objects.filter(RawSQL(condition, [], output_field=BooleanField()))  # noqa: S611  a constant


def over() -> QuerySet[Registration]:
    """Rows that will never be anybody's again. Those of a node that is away stay: it may come back with the same lives."""
    ended = Incarnation.objects.filter(
        node_id=OuterRef("node_id"),
        key=OuterRef("child"),
        number__gte=OuterRef("incarnation"),
        ended_at__isnull=False,
    )
    return Registration.objects.filter(Q(lease_until__lt=Now()) | Exists(ended))
