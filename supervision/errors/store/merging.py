"""Two reports of one occurrence: what an SDK told, and what Overstory saw of the same. The SDK's counts, it says more."""

import datetime as dt
from collections.abc import Sequence

from supervision.errors.event import ErrorEvent
from supervision.errors.protocol.reading import tags_of
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.models import ErrorEvent as EventRow
from supervision.errors.store.models import ErrorIntake, ErrorIssue
from supervision.errors.store.seen import TASK_TAG

WITHIN = dt.timedelta(seconds=10)
"""The two are no further apart."""
MOST_LOOKED_AT = 50
Report = tuple[ErrorIntake, ErrorEvent]


def told_twice(reports: Sequence[Report]) -> set[int]:
    """Places in `reports` of what Overstory saw and an SDK told, among them or stored before."""
    told = [each for each in reports if not _is_ours(each[0])]
    return {
        place
        for place, (row, event) in enumerate(reports)
        if _is_ours(row)
        and event.raised
        and event.raised[-1].mechanism
        and (any(_same((row, event), other) for other in told) or _is_stored((row, event)))
    }


def _is_ours(row: ErrorIntake) -> bool:
    return row.kind == ErrorIntake.Kind.SEEN


def _same(ours: Report, told: Report) -> bool:
    (row, event), (other, other_event) = ours, told
    if row.project_id != other.project_id or not other_event.raised:
        return False
    if event.raised[-1].type != other_event.raised[-1].type:
        return False
    if task := event.tags.get(TASK_TAG):
        return other_event.tags.get(TASK_TAG) == task
    return bool(row.child) and (row.child, row.incarnation) == (other.child, other.incarnation)


def _is_stored(ours: Report) -> bool:
    row, event = ours
    near = EventRow.objects.filter(
        project_id=row.project_id,
        received_at__range=(row.received_at - WITHIN, row.received_at + WITHIN),
    )
    task = event.tags.get(TASK_TAG)
    of_life = {"child": row.child, "incarnation": row.incarnation}
    near = near.filter(**({"transaction": event.transaction} if task else of_life))
    found = list(near.order_by("-id")[:MOST_LOOKED_AT])
    issues = set(
        ErrorIssue.objects.filter(
            pk__in={each.issue_id for each in found}, type=event.raised[-1].type
        ).values_list("pk", flat=True)
    )
    alike = [each for each in found if each.issue_id in issues]
    return any(_task_of(each) == task for each in alike) if task else bool(alike)


def _task_of(row: EventRow) -> str | None:
    return tags_of(unpacked(row.data).get("tags")).get(TASK_TAG)
