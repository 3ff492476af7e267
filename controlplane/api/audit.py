"""The audit log: reading, exporting, and whether its chain holds."""

import csv
import io
import json
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, visible_trees
from controlplane.api import observedshapes, schema
from controlplane.api.bodies import StrictJSONRenderer
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.formats import CSVRenderer, NDJSONRenderer, spreadsheet_safe
from controlplane.api.pages import Listing, choice, choices, integer, moment, optional_integer
from controlplane.filters.fields import AUDIT as FIELDS
from controlplane.filters.grammar import FilterError, parse
from controlplane.filters.keyset import Order
from controlplane.filters.querying import condition
from supervision.auditlog.models import AuditEntry, Outcome
from supervision.auditlog.services import verify_chain

TAG = ["audit"]
MOST_EXPORTED = 10_000
COLUMNS = (
    "seq",
    "at",
    "actor_kind",
    "actor_id",
    "actor_name",
    "ip",
    "request_id",
    "action",
    "target",
    "tree",
    "reason",
    "outcome",
    "details",
    "previous_hash",
    "hash",
)


def render_entry(entry: AuditEntry) -> dict[str, Any]:
    return dict(observedshapes.AuditShape(entry).data)


ENTRIES = Listing({"newest": Order(("seq",), descending=True), "oldest": Order(("seq",))}, render_entry)
FILTERS = frozenset({"tree", "actor", "action", "target", "outcome", "since", "until", "after", "filter"})
FILTER_PARAMETERS = [
    schema.query("tree"),
    schema.query("actor", "Id or name of who did it."),
    schema.query("action", "Exactly, or up to a dot: `tree` means every `tree.…`."),
    schema.query("target"),
    schema.query("outcome", "Several with commas.", enum=Outcome.values),
    schema.query("since", kind=schema.MOMENT),
    schema.query("until", kind=schema.MOMENT),
    schema.query("after", "Entries with a greater seq.", kind=int),
    schema.query("filter", "As the page takes it, such as `action:~tree who:ada age:<1d`."),
]


def entries(endpoint: Endpoint, request: Request) -> QuerySet[AuditEntry]:
    """What the principal may see of what is asked for. Without the right to see every tree: entries of one's own trees."""
    rows = AuditEntry.objects.all()
    names = visible_trees(endpoint.principal)
    if names is not None:
        rows = rows.filter(tree__in=names)
    for name in ("tree", "target"):
        value = request.query_params.get(name)
        if value is not None:
            rows = rows.filter(**{name: value})
    actor = request.query_params.get("actor")
    if actor is not None:
        rows = rows.filter(actor_id=actor) | rows.filter(actor_name=actor)
    action = request.query_params.get("action")
    if action is not None:
        rows = rows.filter(action=action) | rows.filter(action__startswith=f"{action}.")
    outcomes = choices(request, "outcome", Outcome.values)
    if outcomes:
        rows = rows.filter(outcome__in=outcomes)
    since, until, after = (
        moment(request, "since"),
        moment(request, "until"),
        optional_integer(request, "after"),
    )
    if since is not None:
        rows = rows.filter(at__gte=since)
    if until is not None:
        rows = rows.filter(at__lt=until)
    if after is not None:
        rows = rows.filter(seq__gt=after)
    return _accepted(rows, request.query_params.get("filter", ""))


def _accepted(rows: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
    try:
        return rows.filter(condition(parse(text, FIELDS), FIELDS, now=timezone.now()))
    except FilterError as error:
        raise Problem.invalid("filter", f"{error.message}, at character {error.at + 1}.") from None


class Audit(Endpoint):
    needs = {"GET": None}
    parameters = FILTERS
    is_list = True

    @schema.says(
        "List audit entries",
        operation="list_audit",
        answers={200: schema.page_of(observedshapes.AuditShape)},
        parameters=[*schema.page_parameters(list(ENTRIES.orders)), *FILTER_PARAMETERS],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return ENTRIES.page(request, entries(self, request))


class AuditEntryDetail(Endpoint):
    needs = {"GET": None}

    @schema.says(
        "One audit entry", operation="get_audit_entry", answers={200: observedshapes.AuditShape}, tags=TAG
    )
    def get(self, request: Request, seq: int) -> Response:
        entry = entries(self, request).filter(seq=seq).first()
        if entry is None:
            raise Problem("not-found", f"There is no audit entry {seq}.")
        return Response(render_entry(entry))


class AuditExport(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = FILTERS | {"as", "limit"}
    renderer_classes = [NDJSONRenderer, CSVRenderer, StrictJSONRenderer]

    @schema.says(
        "Export the audit log",
        operation="export_audit",
        description="Oldest first, 10,000 entries at most; go on with `after` and the last `seq`.",
        answers={(200, "application/x-ndjson"): schema.TEXT, (200, "text/csv"): schema.TEXT},
        parameters=[
            *FILTER_PARAMETERS,
            schema.query("as", "Default: ndjson.", enum=["ndjson", "csv"]),
            schema.query("limit", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> HttpResponse:
        form = choice(request, "as", ("ndjson", "csv")) or "ndjson"
        limit = integer(request, "limit", default=MOST_EXPORTED, least=1, most=MOST_EXPORTED)
        rows = [render_entry(entry) for entry in entries(self, request).order_by("seq")[:limit]]
        text = (
            _csv(rows)
            if form == "csv"
            else "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        )
        kind = "text/csv" if form == "csv" else "application/x-ndjson"
        headers = {"Content-Disposition": f'attachment; filename="overstory-audit.{form}"'}
        return HttpResponse(text, content_type=f"{kind}; charset=utf-8", headers=headers)


def _csv(rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in rows:
        row = {**row, "details": json.dumps(row["details"], ensure_ascii=False)}
        writer.writerow([spreadsheet_safe(row[name]) for name in COLUMNS])
    return out.getvalue()


class AuditVerify(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"first", "last"})

    @schema.says(
        "Whether the audit log's chain holds",
        operation="verify_audit",
        answers={200: observedshapes.VerdictShape},
        parameters=[schema.query("first", "seq", kind=int), schema.query("last", "seq", kind=int)],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        first, last = optional_integer(request, "first", least=1), optional_integer(request, "last", least=1)
        verdict = verify_chain(first_seq=first, last_seq=last)
        return Response(
            {
                "holds": verdict.holds,
                "checked": verdict.checked,
                "broken_at": verdict.broken_at,
                "why": verdict.why,
            }
        )
