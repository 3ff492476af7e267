"""How long audits are kept: runs and closed findings for a year, results of tests that nobody runs any more for half one.

A project's newest runs stay however old they are, so that the next one has something to be compared with.
"""

import datetime as dt

from django.db.models import Exists, OuterRef

from supervision.auditruns.models import AuditFinding, AuditRun, AuditTest

RUNS_KEPT = dt.timedelta(days=366)
CLOSED_KEPT = dt.timedelta(days=366)
TESTS_KEPT = dt.timedelta(days=180)
AT_ONCE = 5000


def drop_old(*, now: dt.datetime) -> int:
    """Remove what is older; at most AT_ONCE of each kind. How many."""
    newer = AuditRun.objects.filter(
        project=OuterRef("project"), tool=OuterRef("tool"), number__gt=OuterRef("number")
    )
    runs = AuditRun.objects.filter(Exists(newer), received_at__lt=now - RUNS_KEPT).order_by("received_at")
    closed = AuditFinding.objects.filter(
        state=AuditFinding.State.CLOSED, is_reported=False, closed_at__lt=now - CLOSED_KEPT
    ).order_by("closed_at")
    linked = AuditFinding.objects.filter(project=OuterRef("project"), test=OuterRef("name"))
    tests = AuditTest.objects.filter(~Exists(linked), at__lt=now - TESTS_KEPT).order_by("at")
    gone = AuditRun.objects.filter(pk__in=runs.values("pk")[:AT_ONCE]).delete()[0]
    gone += AuditFinding.objects.filter(pk__in=closed.values("pk")[:AT_ONCE]).delete()[0]
    return gone + AuditTest.objects.filter(pk__in=tests.values("pk")[:AT_ONCE]).delete()[0]
