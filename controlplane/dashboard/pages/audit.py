"""Audit: who did what and why, newest first, and whether the chain holds."""

from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest
from controlplane.dashboard.live.records import seconds
from controlplane.filters.fields import AUDIT
from controlplane.filters.grammar import FilterError, parse
from controlplane.filters.querying import condition
from supervision.auditlog import services
from supervision.auditlog.models import AuditEntry

PER_PAGE = 100
CHECKED, MOST_CHECKED = 500, 100_000
"""Newest entries whose chain is followed each time, and when all is asked for (20 us an entry). REST follows all of it."""


def select(request: PageRequest) -> Context:
    q, error = request.text("q"), None
    entries = AuditEntry.objects.order_by("-seq")
    try:
        entries = entries.filter(condition(parse(q, AUDIT), AUDIT, now=timezone.now()))
    except FilterError as wrong:
        error = {"at": wrong.at, "message": wrong.message}
    before = request.text("before")
    if before.isdecimal() and len(before) < 19:
        entries = entries.filter(seq__lt=int(before))
    found = list(entries[: PER_PAGE + 1])
    rows = [audit_row(entry) for entry in found[:PER_PAGE]]
    older = {"q": q, "before": rows[-1]["seq"]} if len(found) > PER_PAGE else {}
    return {
        "q": q,
        "q_error": error,
        "rows": rows,
        "next_url": f"?{urlencode({name: value for name, value in older.items() if value})}"
        if older
        else None,
        "chain": chain(MOST_CHECKED if request.text("chain") == "all" else CHECKED),
        "exports": [] if error else [_export(q, form) for form in ("csv", "ndjson")],
    }


def audit_row(entry: AuditEntry) -> dict[str, object]:
    return {
        "id": str(entry.seq),
        "seq": entry.seq,
        "at": seconds(entry.at),
        "who": entry.actor_name,
        "actor": entry.actor_kind,
        "action": entry.action,
        "target": entry.target,
        "tree": entry.tree,
        "outcome": entry.outcome,
        "reason": entry.reason,
        "ip": entry.ip,
    }


def _export(q: str, form: str) -> dict[str, str]:
    """What the filter accepts, oldest first, as a file."""
    asked = {"as": form, "filter": q}
    query = urlencode({name: value for name, value in asked.items() if value})
    return {"form": form.upper(), "url": f"{reverse('api:audit-export')}?{query}"}


def chain(most: int) -> dict[str, object]:
    """Whether the newest entries follow one another, each holding the hash of the one before it."""
    newest = AuditEntry.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
    verdict = services.verify_chain(first_seq=max(1, newest - most + 1))
    if verdict.holds:
        oldest = AuditEntry.objects.order_by("seq").values_list("seq", flat=True).first() or 0
        is_all = newest - verdict.checked < oldest
        which = f"All {verdict.checked:,}" if is_all else f"The newest {verdict.checked:,}"
        text = f"{which} entries follow one another: none was changed or taken out."
        return {"ok": True, "checked": verdict.checked, "is_all": is_all, "text": text}
    return {"ok": False, "checked": verdict.checked, "text": f"Entry {verdict.broken_at}: {verdict.why}"}


PAGE = Page(
    slug="audit",
    title="Audit",
    path="audit",
    template="dashboard/audit.html",
    select=select,
    g_key="u",
    order=60,
    may_open=lambda principal: principal.can(Permission.ADMIN),
    topics={"audit": {}},
    lists=("audit",),
)
