"""Rows of a finding and a health check, as a courier would have left them."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from supervision.fleet.models import Node
from supervision.health.models import HealthCheck
from supervision.leakwatch.models import LeakFinding, SharedLeak

MIB = 1 << 20


def make_leak(node: Node, key: str, **columns: Any) -> LeakFinding:
    """One that is open: memory, 1 MiB a second for a minute, until 512 MiB."""
    now = timezone.now()
    points = [[now.timestamp() - 60 + 5 * step, (20 + 5 * step) * MIB] for step in range(13)]
    defaults: dict[str, Any] = {
        "tree": key.partition("/")[0],
        "incarnation": 1,
        "image": 0,
        "resource": "rss",
        "course": "flood",
        "since": now - timedelta(seconds=60),
        "found_at": now - timedelta(seconds=20),
        "seen_at": now,
        "value": 80.0 * MIB,
        "growth": 60.0 * MIB,
        "rate": float(MIB),
        "rate_low": 0.9 * MIB,
        "rate_high": 1.1 * MIB,
        "limit": 512.0 * MIB,
        "limit_name": "its memory limit",
        "limit_at": now + timedelta(minutes=7),
        "action": "watch",
        "verdict": "Memory grows by 1.0 MiB a second for 60 s.",
        "evidence": {"points": points, "brings": {"fds": 1.0}, "gauges": {}, "quiet_s": None},
    }
    return LeakFinding.objects.create(node=node, key=key, **(defaults | columns))


def make_shared_leak(subject: str, **columns: Any) -> SharedLeak:
    """One that is open: keys without a time to live, 40 a minute."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "kind": "keys",
        "points": [[now.timestamp() - 240 + 30 * look, 100 + 20 * look] for look in range(9)],
        "value": 260.0,
        "seen_at": now,
        "since": now - timedelta(minutes=4),
        "found_at": now - timedelta(seconds=30),
        "rose_at": now,
        "rate": 2 / 3,
        "rate_low": 0.6,
        "rate_high": 0.7,
        "verdict": f"Keys like {subject} without a time to live grow by 40 a minute for 4 min; 260 keys.",
        "evidence": {"type": "string", "database": 0, "sampled": False},
    }
    return SharedLeak.objects.create(subject=subject, **(defaults | columns))


def make_check(node: Node, key: str, **columns: Any) -> HealthCheck:
    """One that was answered a moment ago."""
    now = timezone.now()
    defaults: dict[str, Any] = {
        "tree": key.partition("/")[0],
        "incarnation": 1,
        "name": "http",
        "kind": "http",
        "state": "healthy",
        "since": now - timedelta(minutes=5),
        "checked_at": now,
        "took_s": 0.01,
        "detail": "200",
        "successes": 10,
        "interval_s": 30.0,
        "timeout_s": 5.0,
        "on_unhealthy": "none",
    }
    return HealthCheck.objects.create(node=node, key=key, **(defaults | columns))
