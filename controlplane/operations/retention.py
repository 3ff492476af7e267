"""What goes by itself, a bounded part at a time. The rooms know their own rows; this knows the order and the bounds."""

import datetime as dt
import logging
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from agents.checkpoints import services as checkpoints
from agents.measures import services as measures
from agents.registry import services as registry
from controlplane.access.models import LoginAllowance, LoginLink
from controlplane.api.retention import purge_keys
from supervision.alerts import services as alerts
from supervision.auditlog import services as auditlog
from supervision.auditruns import retention as auditruns
from supervision.errors.store import retention as errors
from supervision.errors.store.issues import resolve_quiet
from supervision.errors.store.searching import fill_missing
from supervision.leakwatch import services as leakwatch
from supervision.remediation import retention as remediation
from supervision.rules import counting as rules
from supervision.rules.issues import watching as issue_rules
from supervision.samples import services as samples
from supervision.tasks import retention as tasks
from supervision.tasks.workers import expire_requests
from supervision.trees.models import Command, CommandState

log = logging.getLogger("overstory.retention")

AT_ONCE = 5000
COMMANDS_KEPT = dt.timedelta(days=30)
LINKS_KEPT = dt.timedelta(days=1)
AUDIT_KEPT = dt.timedelta(days=2 * 366)
ENDED = (CommandState.DONE, CommandState.FAILED, CommandState.EXPIRED)


class BrokenChainError(Exception):
    """The audit log does not hold together: somebody changed it. The message says where."""


def expire(*, now: dt.datetime) -> dict[str, int]:
    """Remove rows whose time is over, resolve issues whose time is, and write what is missing to find them; how many by what
    they were."""
    return {
        "sessions": _delete(Session.objects.filter(expire_date__lt=now).order_by("expire_date")),
        "login links": _delete(
            LoginLink.objects.filter(expires_at__lt=now - LINKS_KEPT).order_by("expires_at")
        ),
        "login allowances": _delete(
            LoginAllowance.objects.filter(spent_until__lt=now).order_by("spent_until")
        ),
        "idempotency keys": purge_keys(now),
        "commands": _delete(
            Command.objects.filter(state__in=ENDED, finished_at__lt=now - COMMANDS_KEPT).order_by(
                "finished_at"
            )
        ),
        "samples": samples.drop_old(now),
        "measures of agents": measures.drop_old(now=now),
        "rules": rules.drop_old(now=now),
        "rules on issues": issue_rules.drop_old(now=now),
        "registrations": registry.sweep(),
        "checkpoints": checkpoints.drop_old(),
        "requests to workers": expire_requests(now=now),
        "tasks": tasks.drop_old(now),
        "errors": errors.drop_old(now=now),
        "quiet issues": resolve_quiet(now=now),
        "words of issues": fill_missing(),
        "leak findings": leakwatch.drop_old(now),
        "alerts": alerts.delete_old(now=now),
        "audit runs": auditruns.drop_old(now=now),
        "remediation plans": remediation.drop_old(now=now),
        "audit entries": auditlog.drop_before(moment=now - AUDIT_KEPT, now=now),
    }


def check_audit() -> int:
    """Follow the audit log's chain; how many entries. Raises BrokenChainError."""
    verdict = auditlog.verify_chain()
    if not verdict.holds:
        raise BrokenChainError(f"the audit log is broken at entry {verdict.broken_at}: {verdict.why}")
    return verdict.checked


def _delete(rows: "QuerySet[Any]") -> int:
    """At most AT_ONCE of them, the first in their order. Any: a model of any room."""
    deleted: int = rows.model._default_manager.filter(pk__in=rows.values("pk")[:AT_ONCE]).delete()[0]
    return deleted
