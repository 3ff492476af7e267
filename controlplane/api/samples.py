"""What children used: CPU, memory, descriptors, threads; by the second, minute or hour, as JSON or CSV."""

import csv
import io
import json
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, tree_of
from controlplane.api import observedshapes, schema
from controlplane.api.bodies import StrictJSONRenderer
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.formats import CSVRenderer, spreadsheet_safe
from controlplane.api.output import key_of, nodes_of
from controlplane.api.pages import choice, moment
from supervision.samples import selectors
from supervision.samples.models import SampleHour, SampleMinute, SampleRow

TAG = ["children"]
MOST = 2000
"""Rows of one answer; a longer span has to be asked for in parts."""
RESOLUTIONS = ("minute", "hour")
USUAL = {"minute": timedelta(hours=6), "hour": timedelta(days=7)}
COLUMNS = (
    "at", "n", "cpu_avg", "cpu_max", "rss_avg", "rss_max", "rss_min", "pss", "uss", "fds_max", "fds_min",
    "threads_max", "threads_min", "children_max", "children_min", "zombies_max", "zombies_min",
    "sockets_max", "sockets_min", "states", "read_avg", "written_avg", "switches_avg", "disk",
    "incarnation", "image", "gauges",
)  # fmt: skip


class Samples(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"key", "node", "resolution", "since", "until", "as"})
    renderer_classes = [StrictJSONRenderer, CSVRenderer]

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        return tree_of(key_of(request))

    @schema.says(
        "What a child used",
        operation="list_samples",
        description=(
            "Oldest first, 2,000 rows at most: `next_since` is where to go on. `cpu` is of one core, memory in "
            "bytes. A value that is "
            "not known is null, and a span without samples has no row."
        ),
        answers={(200, "application/json"): observedshapes.SamplesShape, (200, "text/csv"): schema.TEXT},
        parameters=[
            schema.query("key", required=True),
            schema.query("node", "Id of a node; default: the one that has it."),
            schema.query("resolution", "Default: minute.", enum=list(RESOLUTIONS)),
            schema.query("since", "Default: 6 hours ago, of hours 7 days.", kind=schema.MOMENT),
            schema.query("until", "Default: now.", kind=schema.MOMENT),
            schema.query("as", "Default: json.", enum=["json", "csv"]),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response | HttpResponse:
        key = key_of(request)
        node = nodes_of(key, request.query_params.get("node"))[0]
        resolution = choice(request, "resolution", RESOLUTIONS) or "minute"
        until = moment(request, "until") or timezone.now()
        since = moment(request, "since") or until - USUAL[resolution]
        if since >= until:
            raise Problem.invalid("since", "It lies before until.")
        rows = list(_rows(resolution, node, key, since, until)[: MOST + 1])
        more = rows[MOST].at if len(rows) > MOST else None
        found = [_render(row) for row in rows[:MOST]]
        if choice(request, "as", ("json", "csv")) == "csv":
            headers = {"Content-Disposition": 'attachment; filename="samples.csv"'}
            return HttpResponse(
                _csv(key, node, found), content_type="text/csv; charset=utf-8", headers=headers
            )
        return Response(
            {"key": key, "node": node, "resolution": resolution, "items": found, "next_since": more}
        )


def _rows(
    resolution: str, node: str, key: str, since: datetime, until: datetime
) -> QuerySet[SampleMinute] | QuerySet[SampleHour]:
    if resolution == "hour":
        return selectors.hours(node_id=node, key=key, since=since, until=until)
    return selectors.minutes(node_id=node, key=key, since=since, until=until)


def _render(row: SampleRow) -> dict[str, Any]:
    """NaN and infinities, which a float column may hold, are not known either."""
    values = {name: getattr(row, name) for name in COLUMNS}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _cell(value: Any) -> Any:
    return "" if value is None else json.dumps(value, sort_keys=True) if isinstance(value, dict) else value


def _csv(key: str, node: str, rows: Iterable[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["key", "node", *COLUMNS])
    for row in rows:
        at = row["at"].isoformat()
        values = [_cell(row[name]) for name in COLUMNS[1:]]
        writer.writerow([spreadsheet_safe(key), node, at, *values])
    return out.getvalue()
