"""`/metrics`: what the rows say at the moment of asking, as Prometheus reads it.

From rows, not from this process: whichever web process answers says the same, and series of a node or tree that is gone are
gone. Labels are bounded: nodes, states, supervisors, our own processes, verbs, kinds of agents
and what they measure; never a pid, a key of a child or a task.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from controlplane.operations import traffic
from controlplane.operations.agentmetrics import agent_metrics
from controlplane.operations.checks import Checks
from controlplane.operations.healthmetrics import health_metrics
from controlplane.operations.latency import histograms
from controlplane.operations.release import code_digest
from controlplane.operations.rulemetrics import rule_metrics
from controlplane.operations.taskmetrics import task_metrics
from supervision.runtime.observed import STATES
from supervision.runtime.version import VERSION

PREFIX = "overstory"
MOST_SUPERVISORS = 2000
"""Past it the rest is not listed; `overstory_supervisors` says how many there are."""

CHILDREN = """
SELECT node_id, state, count(*)
FROM supervision_observedchild
WHERE NOT is_supervisor AND NOT removed
GROUP BY node_id, state"""
NODES = """
SELECT id, name, state, extract(epoch FROM clock_timestamp() - renewed_at)
FROM supervision_node
ORDER BY name, id"""
SUPERVISORS = """
SELECT node_id, key, window_used, intensity
FROM supervision_observedchild
WHERE is_supervisor AND NOT removed
ORDER BY tree, node_id, position
LIMIT %s"""
RESTARTS = """
SELECT supervisor, reason, total
FROM controlplane_restartcount
WHERE supervisor IN (SELECT key FROM supervision_observedchild WHERE is_supervisor AND NOT removed)
ORDER BY total DESC
LIMIT %s"""
MEMORY = """
SELECT c.node_id, c.parent, sum(s.rss_avg)
FROM supervision_observedchild AS c
JOIN LATERAL (
    SELECT rss_avg
    FROM supervision_sampleminute
    WHERE node_id = c.node_id AND key = c.key AND at > clock_timestamp() - interval '3 minutes'
    ORDER BY at DESC
    LIMIT 1
) AS s ON true
WHERE NOT c.is_supervisor AND NOT c.removed
GROUP BY c.node_id, c.parent
LIMIT %s"""
SIMPLE = """
SELECT
    (SELECT count(*) FROM supervision_stray WHERE state = 'found'),
    (SELECT count(*) FROM supervision_observedchild WHERE is_supervisor AND NOT removed),
    (SELECT count(*) FROM supervision_command WHERE state IN ('pending', 'claimed'))"""
ALERTS = """
SELECT kind, state, count(*)
FROM supervision_alert
WHERE resolved_at IS NULL
GROUP BY kind, state"""
DELIVERIES = "SELECT state, count(*) FROM supervision_delivery GROUP BY state"
LEADERS = "SELECT name, until > clock_timestamp() FROM supervision_leadership"
JOBS = "SELECT name, extract(epoch FROM ended_at), error <> '' FROM controlplane_periodicjob WHERE ended_at IS NOT NULL"
ACTIONS = """
SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - created_at))
FROM supervision_command
WHERE state = 'done' AND finished_at > clock_timestamp() - interval '1 hour'"""
LAG = """
SELECT n.id, n.journal_seq - c.seq
FROM supervision_node AS n
JOIN supervision_streamcursor AS c ON c.node_id = n.id AND c.stream_epoch = n.stream_epoch"""


class RowsCollector(Collector):
    """Each collection asks anew. With PostgreSQL away only what this process knows itself is told, and that it is away."""

    def __init__(self, checks: Checks | None) -> None:
        """Without `checks` only what rows say: of /readyz each process has its own."""
        self._checks = checks

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(
            f"{PREFIX}_build", "Which code this is.", value={"version": VERSION, "code": code_digest()}
        )
        if self._checks is None:
            yield from self._from_rows()
            return
        outcomes = {each.name: each.ok for each in self._checks.outcomes(wait_s=0.5)}
        yield gauge(
            "check_ok",
            "Whether a check of /readyz holds.",
            ["check"],
            [([k], v) for k, v in outcomes.items()],
        )
        if not outcomes.get("db"):
            return
        try:
            yield from self._from_rows()
        except (DatabaseError, InterfaceError):
            yield gauge(
                "rows_readable",
                "0: the rows could not be read, what comes from them is missing.",
                [],
                [([], 0)],
            )

    def _from_rows(self) -> Iterator[Metric]:
        counted = {(node, state): number for node, state, number in rows(CHILDREN)}
        nodes = rows(NODES)
        names = labels_of(nodes)
        yield gauge(
            "children",
            "Children by state.",
            ["node", "state"],
            [
                ([name, state], counted.get((node, state), 0))
                for node, name in names.items()
                for state in STATES
            ],
        )
        yield gauge(
            "node_state",
            "1 for the state a node is in.",
            ["node", "state"],
            [
                ([names[node], each], each == state)
                for node, _, state, _ in nodes
                for each in ("up", "suspect", "down", "drained")
            ],
        )
        yield gauge(
            "node_lease_age_seconds",
            "Since a node's lease was renewed.",
            ["node"],
            [([names[node]], float(age)) for node, _, _, age in nodes if age is not None],
        )
        yield gauge(
            "journal_lag_records",
            "Records a node has written and the database not taken in.",
            ["node"],
            [([names[node]], max(0, int(lag))) for node, lag in rows(LAG) if node in names],
        )
        yield gauge(
            "restart_intensity_ratio",
            "Restarts in the window, as a part of what the supervisor allows.",
            ["node", "supervisor"],
            [
                ([names[node], str(key)], (used or 0) / allowed if allowed else float(bool(used)))
                for node, key, used, allowed in rows(SUPERVISORS, MOST_SUPERVISORS)
                if node in names
            ],
        )
        restarts = CounterMetricFamily(
            f"{PREFIX}_restarts", "Restarts by a supervisor.", labels=["supervisor", "reason"]
        )
        for supervisor, reason, total in rows(RESTARTS, MOST_SUPERVISORS):
            restarts.add_metric([str(supervisor), str(reason)], float(total))
        yield restarts
        yield gauge(
            "child_memory_bytes",
            "Resident memory of a supervisor's children, with all that descends from them.",
            ["node", "supervisor"],
            [
                ([names[node], str(key)], float(total))
                for node, key, total in rows(MEMORY, MOST_SUPERVISORS)
                if total and node in names
            ],
        )
        yield from self._counts()
        yield from task_metrics(rows, gauge)
        yield from rule_metrics(gauge)
        yield from health_metrics(rows, gauge)
        yield from agent_metrics(PREFIX, gauge)
        yield from self._live(names)

    def _live(self, names: dict[str, str]) -> Iterator[Metric]:
        """Of every web process, whichever of them answers."""
        processes = [each for each in traffic.told(settings.LIVE_REDIS_URL) if each.node in names]
        labels = ["node", "process"]
        yield gauge(
            "ws_clients", "Pages that are connected now.", labels,
            [([names[each.node], each.process], each.counts["clients"]) for each in processes],
        )  # fmt: skip
        for name, words, field in (
            ("ws_frames", "Messages sent to pages.", "frames"),
            ("ws_sent_bytes", "Text sent to pages, before compression.", "bytes"),
            ("ws_resyncs", "Pages that had to begin again with a snapshot.", "resyncs"),
        ):
            counter = CounterMetricFamily(f"{PREFIX}_{name}", words, labels=labels)
            for each in processes:
                counter.add_metric([names[each.node], each.process], each.counts[field])
            yield counter
        actions = HistogramMetricFamily(
            f"{PREFIX}_action_seconds",
            "From a command to its acknowledgement, of those carried out.",
            labels=["verb"],
        )
        for verb, (buckets, seconds) in histograms().items():
            actions.add_metric([verb], buckets, seconds)
        yield actions

    def _counts(self) -> Iterator[Metric]:
        [(strays, supervisors, pending)] = rows(SIMPLE)
        yield gauge("strays", "Processes without an owner.", [], [([], int(strays))])
        yield gauge("supervisors", "Supervisors, on all nodes together.", [], [([], int(supervisors))])
        yield gauge(
            "commands_pending", "Commands that no node has carried out yet.", [], [([], int(pending))]
        )
        yield gauge(
            "alerts",
            "Alerts that are not resolved.",
            ["kind", "state"],
            [([k, s], n) for k, s, n in rows(ALERTS)],
        )
        yield gauge(
            "deliveries", "Messages about alerts.", ["state"], [([s], n) for s, n in rows(DELIVERIES)]
        )
        yield gauge(
            "leader", "1 while somebody leads.", ["role"], [([name], leads) for name, leads in rows(LEADERS)]
        )
        jobs = rows(JOBS)
        yield gauge(
            "job_last_end_timestamp_seconds", "When a periodic job last ended.", ["job"],
            [([str(name)], float(at)) for name, at, _ in jobs],
        )  # fmt: skip
        yield gauge(
            "job_failed",
            "1 when the job's last run failed.",
            ["job"],
            [([str(name)], bad) for name, _, bad in jobs],
        )
        [(quantiles,)] = rows(ACTIONS)
        yield gauge(
            "action_duration_seconds",
            "From a command to its acknowledgement, over the last hour.",
            ["quantile"],
            [
                ([name], float(value))
                for name, value in zip(("0.5", "0.95", "0.99"), quantiles or (), strict=False)
            ],
        )


def labels_of(nodes: Sequence[tuple[Any, ...]]) -> dict[str, str]:
    """Id to name; with the beginning of the id where two hosts have one name, or a series would stand there twice."""
    names = [str(name) for _, name, _, _ in nodes]
    return {
        str(node): str(name) if names.count(str(name)) == 1 else f"{name}-{str(node)[:8]}"
        for node, name, _, _ in nodes
    }


def gauge(
    name: str, words: str, labels: Sequence[str], values: Sequence[tuple[Sequence[str], float | bool]]
) -> GaugeMetricFamily:
    """A family of gauges."""
    made = GaugeMetricFamily(f"{PREFIX}_{name}", words, labels=list(labels))
    for label_values, value in values:
        made.add_metric(list(label_values), float(value))
    return made


def rows(query: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """Any: columns of any type."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments or None)
        return list(cursor.fetchall())


def registry(checks: Checks) -> CollectorRegistry:
    """Of our own: the library's default one also holds what describes this process, which nobody asked for."""
    made = CollectorRegistry(auto_describe=False)
    made.register(RowsCollector(checks))
    return made
