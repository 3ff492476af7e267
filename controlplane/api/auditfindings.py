"""Findings of audits: what is open, for how long, and who looks after it."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import auditshapes, schema
from controlplane.api.audits import TAG, carried_out
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of
from controlplane.filters.fields import FINDINGS as FIELDS
from controlplane.filters.grammar import FilterError, parse
from controlplane.filters.keyset import Order
from controlplane.filters.querying import condition
from supervision.auditruns import findings, selectors
from supervision.auditruns.models import AuditFinding


def render_finding(finding: AuditFinding) -> dict[str, Any]:
    return dict(auditshapes.FindingShape(finding).data)


FINDINGS = Listing(
    {
        "severity": Order(("rank", "id"), descending=True),
        "newest": Order(("id",), descending=True),
        "oldest": Order(("id",)),
        "path": Order(("path", "line", "id")),
    },
    render_finding,
)


class Findings(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"filter"})
    is_list = True

    @schema.says(
        "List findings",
        operation="list_audit_findings",
        description="`filter` is the grammar of the page: `state:open severity:high project:shop age:>7d`.",
        answers={200: schema.page_of(auditshapes.FindingShape)},
        parameters=[*schema.page_parameters(list(FINDINGS.orders)), schema.query("filter")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.findings(visible_trees(self.principal))
        try:
            terms = parse(request.query_params.get("filter", ""), FIELDS)
            rows = rows.filter(condition(terms, FIELDS, now=timezone.now()))
        except FilterError as error:
            raise Problem.invalid("filter", f"{error.message}, at character {error.at + 1}.") from None
        return FINDINGS.page(request, rows)


class FindingDetail(Endpoint):
    needs = {"GET": None, "PATCH": None}

    @schema.says(
        "One finding", operation="get_audit_finding", answers={200: auditshapes.FindingShape}, tags=TAG
    )
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        finding = _finding(self, id, Permission.VIEW)
        return answer(request, render_finding(finding), tag_of(finding.version))

    @schema.says(
        "Say who looks after a finding, which test proves its fix, or why it stays",
        operation="change_audit_finding",
        description="Nobody closes a finding by hand: a new scan or its test does. `wont_fix`: null takes it back.",
        body=auditshapes.FindingChange,
        answers={200: auditshapes.FindingShape},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 413, 415, 428),
        tags=TAG,
    )
    def patch(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        finding = _finding(self, id, Permission.OPERATE)
        require_match(request, tag_of(finding.version), lambda: render_finding(finding))
        body = read(auditshapes.FindingChange, request, partial=True)
        changed = carried_out(
            lambda: findings.change_finding(finding_id=id, fields=body, actor=self.actor, now=timezone.now())
        )
        return Response(render_finding(changed), headers={"ETag": tag_of(changed.version)})


def _finding(endpoint: Endpoint, number: int, permission: Permission) -> AuditFinding:
    finding = AuditFinding.objects.select_related("project").filter(pk=number).first()
    if finding is None:
        raise Problem("not-found", f"There is no finding {number}.")
    require(endpoint.principal, permission, finding.project.tree or EVERY_TREE)
    return finding
