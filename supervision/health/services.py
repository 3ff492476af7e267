"""Writes of health checks: as a node's courier brings them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from supervision.fleet.exceptions import StaleEpochError
from supervision.fleet.models import Node
from supervision.health.models import HealthCheck

CHANGING = (
    "incarnation", "kind", "state", "since", "checked_at", "took_s", "detail", "failures", "successes",
    "interval_s", "timeout_s", "on_unhealthy",
)  # fmt: skip
BATCH = 500


def record(
    *,
    node_id: str,
    epoch: int,
    checks: Sequence[Mapping[str, Any]],
    living: Sequence[Sequence[str]] | None,
) -> int:
    """Store what a node tells of its checks; how many rows were written. `living`: all there are (key, name), when some came
    or went: a check of a child that does not run any more has no row. `epoch` is the node's: StaleEpochError when it is
    over."""
    with transaction.atomic():
        if not Node.objects.select_for_update(no_key=True).filter(pk=node_id, epoch=epoch).exists():
            raise StaleEpochError
        known = {(row.key, row.name): row for row in HealthCheck.objects.filter(node_id=node_id)}
        new, changed = [], []
        for check in checks:
            values = _values(check)
            row = known.get((check["key"], check["name"]))
            if row is None:
                tree = str(check["key"]).partition("/")[0]
                new.append(
                    HealthCheck(node_id=node_id, key=check["key"], tree=tree, name=check["name"], **values)
                )
            elif any(getattr(row, name) != value for name, value in values.items()):
                for name, value in values.items():
                    setattr(row, name, value)
                changed.append(row)
        alive = None if living is None else {(key, name) for key, name in living}
        gone = [] if alive is None else [row.pk for place, row in known.items() if place not in alive]
        HealthCheck.objects.filter(pk__in=gone).delete()
        HealthCheck.objects.bulk_create(new, batch_size=BATCH)
        HealthCheck.objects.bulk_update(changed, CHANGING, batch_size=BATCH)
    return len(new) + len(changed) + len(gone)


def _values(check: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: check[name] for name in CHANGING if name not in ("since", "checked_at")}
    values["detail"] = str(check["detail"]).replace("\0", "")[:300]
    return {
        **values,
        "since": datetime.fromtimestamp(check["since"], UTC),
        "checked_at": None
        if check["checked_at"] is None
        else datetime.fromtimestamp(check["checked_at"], UTC),
    }
