"""A node's minutes into rows: its samples, and what its agents measured of themselves by kind of agent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from agents.configs.selectors import kinds_of_agents
from agents.measures.services import AgentMinute, note_minutes
from supervision.samples.selectors import known_minutes
from supervision.samples.services import BadSampleError, check, record_minutes


def store_minutes(
    *, node_id: str, fields: Sequence[str], minutes: Sequence[Mapping[str, Any]], now: datetime
) -> list[BadSampleError]:
    """As `record_minutes`, which samples were refused. In one transaction, so that what agents counted in a minute is added
    up once, whoever brings it again. Any: of JSON."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 11))", [node_id])
        known = known_minutes(node_id, [_begin(minute) for minute in minutes])
        _, refused = record_minutes(node_id=node_id, fields=fields, minutes=minutes)
        new = [minute for minute in minutes if _begin(minute) not in known]
        note_minutes(node_id=node_id, minutes=_of_agents(fields, new), now=now)
    return refused


def _begin(minute: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(minute["at"], UTC)


def _of_agents(fields: Sequence[str], minutes: Iterable[Mapping[str, Any]]) -> Iterator[AgentMinute]:
    """What agents said. What is refused as a sample is left out."""
    place = fields.index("gauges") if "gauges" in fields else None
    if place is None:
        return
    said = [
        (key, _begin(minute), row[place])
        for minute in minutes
        for key, row in zip(minute["keys"], minute["rows"], strict=True)
        if row[place]
    ]
    kinds = kinds_of_agents({key for key, _, _ in said})
    for key, at, sums in said:
        if key in kinds and _is_usable(key, at, sums):
            yield AgentMinute(kinds[key], at, sums)


def _is_usable(key: str, at: datetime, sums: Mapping[str, Any]) -> bool:
    try:
        check(key, at, {"gauges": sums})
    except BadSampleError:
        return False
    return True
