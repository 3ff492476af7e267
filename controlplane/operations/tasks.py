"""Celery tasks of the platform: each a shim over a service that may be called twice, and does a bounded part at a time."""

from django.conf import settings
from django.utils import timezone

from controlplane.access.principals import may_see_issues
from controlplane.filters.issues import issue_condition
from controlplane.operations import outside, retention, shared
from controlplane.operations.jobs import job
from controlplane.operations.told import Instance
from supervision.alerts import services as alerts
from supervision.alerts.delivery import deliver_due
from supervision.alerts.watching import watch_rows
from supervision.auditruns import findings, scanning
from supervision.errors.store import retention as errors
from supervision.errors.store import spiking
from supervision.errors.store.aging import settle_by_clock
from supervision.errors.store.escalating import escalate_by_clock
from supervision.errors.store.waking import wake_by_clock
from supervision.journal import retention as journal
from supervision.remediation import checking
from supervision.rules import burning
from supervision.rules import watching as rules
from supervision.rules.issues.news import tell_news
from supervision.rules.issues.watching import watch_issue_rules
from supervision.rules.readings import note_queues
from supervision.samples import services as samples


@job
def deliver_alerts() -> None:
    deliver_due(told=Instance(), now=timezone.now())


@job
def watch_fleet() -> None:
    watch_rows()


@job
def watch_rules() -> None:
    note_queues(now=timezone.now())
    rules.watch_rules()


@job
def watch_errors() -> None:
    spiking.weigh(now=timezone.now())
    spiking.look_at_spikes(now=timezone.now())
    wake_by_clock(now=timezone.now())
    settle_by_clock(now=timezone.now())
    escalate_by_clock(now=timezone.now())
    watch_issue_rules(accepts=issue_condition, now=timezone.now())
    tell_news(may_see=may_see_issues, now=timezone.now())


@job
def watch_objectives() -> None:
    burning.watch_objectives()


@job
def look_at_shared() -> None:
    shared.look_at_shared(now=timezone.now())


@job
def repeat_alerts() -> None:
    alerts.tell_unsilenced(now=timezone.now())
    alerts.repeat_open(now=timezone.now())


@job
def ping_outside() -> None:
    outside.ping_if_current()


@job
def export_metrics() -> None:
    if settings.OTLP_URL:
        from controlplane.operations import otlp  # protobuf, which only who exports needs

        otlp.export_metrics()


@job
def roll_up_hours() -> None:
    samples.roll_up_hours(timezone.now())


@job
def make_partitions() -> None:
    journal.make_partitions(now=timezone.now())
    errors.make_partitions(now=timezone.now())


@job
def drop_partitions() -> None:
    journal.drop_old(now=timezone.now())


@job
def scan_code() -> None:
    now = timezone.now()
    findings.reopen_expired(now=now)
    scanning.scan_due(now=now)
    checking.check_all(now=timezone.now())


@job
def expire_rows() -> None:
    retention.expire(now=timezone.now())


@job
def verify_audit() -> None:
    retention.check_audit()
