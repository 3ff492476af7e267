"""Reads of rules on issues."""

from collections.abc import Collection

from django.db.models import Count, Max, Q, QuerySet

from supervision.rules.exceptions import NotFoundError
from supervision.rules.issues.models import IssueRule


def rules(*, trees: Collection[str] | None) -> QuerySet[IssueRule]:
    """By name, with `found`: how many issues it has found that last; `told_at`: when it told last. A rule over every
    project needs all trees."""
    rows = (
        IssueRule.objects.select_related("project")
        .order_by("name")
        .annotate(found=Count("firings", filter=Q(firings__over_at=None)), told_at=Max("firings__told_at"))
    )
    return rows if trees is None else rows.filter(project__tree__in=sorted(trees)).exclude(project__tree="")


def get_rule(pk: int, *, trees: Collection[str] | None) -> IssueRule:
    """Raises NotFoundError, also for one that is not the caller's business."""
    return _one(rules(trees=trees).filter(pk=pk))


def rule_called(name: str) -> IssueRule:
    """Raises NotFoundError."""
    return _one(rules(trees=None).filter(name=name))


def _one(rows: QuerySet[IssueRule]) -> IssueRule:
    found = rows.first()
    if found is None:
        raise NotFoundError("there is no such rule")
    return found
