"""Supervision coverage: what the code can start, against what nodes see running and the tree declares; one share.

    covered    places of the code whose handle somebody keeps; declared children that run; processes below them, which end
               with them
    uncovered  places that the audit reports, or that were excused; declared children that should run and do not; strays on
               the nodes where the tree runs

What it does not know: which process a place started (threads and tasks are not seen from outside at all), places in packages
that the project only uses, and whose a stray was: on a node with several trees it counts for each of them.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from supervision.auditruns.models import AuditProject, AuditRun
from supervision.journal.models import Incarnation, ObservedChild, Stray
from supervision.samples.models import SampleMinute

SAMPLES_WITHIN = dt.timedelta(minutes=15)
RUNNING = "running"
FINE = (RUNNING, "completed")


@dataclass(frozen=True, slots=True)
class Coverage:
    """The parts. None: not known. `sites`: kind to state to number."""

    run: int | None
    sites: Mapping[str, Mapping[str, int]]
    declared: int | None = None
    running: int | None = None
    below: int | None = None
    strays: int | None = None
    nodes: tuple[str, ...] = field(default=())

    @property
    def sites_kept(self) -> int:
        return sum(states.get("kept", 0) for states in self.sites.values())

    @property
    def sites_not_kept(self) -> int:
        return sum(sum(states.values()) for states in self.sites.values()) - self.sites_kept

    @property
    def covered(self) -> int:
        return self.sites_kept + (self.running or 0) + (self.below or 0)

    @property
    def uncovered(self) -> int:
        return self.sites_not_kept + (self.declared or 0) - (self.running or 0) + (self.strays or 0)

    @property
    def share(self) -> float | None:
        """From 0 to 1; None where neither a run nor a node says anything."""
        whole = self.covered + self.uncovered
        return self.covered / whole if whole and self.run is not None else None


UNKNOWN = (
    "which process a place of the code started: places and processes are counted, not matched",
    "threads, pools and tasks while they run: they are not seen from outside a process",
    "places in packages that the project uses",
    "whose a stray was: on a node with several trees it counts for each of them",
)
"""What the figure cannot know, for whoever reads it."""


def as_body(found: Coverage) -> dict[str, Any]:
    """For JSON and pages."""
    return {
        "share": found.share,
        "covered": found.covered,
        "uncovered": found.uncovered,
        "run": found.run,
        "sites": found.sites,
        "declared": found.declared,
        "running": found.running,
        "below": found.below,
        "strays": found.strays,
        "nodes": list(found.nodes),
        "not_covered": list(UNKNOWN),
    }


def supervision_coverage(project: AuditProject, *, now: dt.datetime) -> Coverage:
    """Of a project: its newest run that says what the code can start, and its tree as nodes have it."""
    run = AuditRun.objects.filter(project=project).exclude(spawn_counts={}).order_by("-number").first()
    sites = run.spawn_counts if run is not None else {}
    number = run.number if run is not None else None
    if not project.tree:
        return Coverage(number, sites)
    children = ObservedChild.objects.filter(
        tree=project.tree, is_supervisor=False, removed=False, wanted="up"
    )
    rows = list(children.values_list("node_id", "key", "state"))
    if not rows:
        return Coverage(number, sites)
    nodes = tuple(sorted({node for node, _, _ in rows}))
    running = [(node, key) for node, key, state in rows if state == RUNNING]
    return Coverage(
        run=number,
        sites=sites,
        declared=len(rows),
        running=sum(state in FINE for _, _, state in rows),
        below=_below(project.tree, {*running}, now),
        strays=Stray.objects.filter(node__in=nodes, state=Stray.State.FOUND).count(),
        nodes=nodes,
    )


def _below(tree: str, running: set[tuple[str, str]], now: dt.datetime) -> int | None:
    """Processes below the running children, as the newest minute of each says; None without any."""
    inside = Q(key=tree) | Q(key__startswith=f"{tree}/")
    minutes = (
        SampleMinute.objects.filter(inside, at__gte=now - SAMPLES_WITHIN, children_max__isnull=False)
        .order_by("node_id", "key", "-at")
        .distinct("node_id", "key")
        .values_list("node_id", "key", "children_max")
    )
    known = [number for node, key, number in minutes if (node, key) in running and number is not None]
    return sum(known) if known else None


def restarts(project: AuditProject, *, since: dt.datetime) -> int | None:
    """Lives of the tree's children that ended since and were followed by another one; None without a tree that runs."""
    if not project.tree or not ObservedChild.objects.filter(tree=project.tree).exists():
        return None
    return Incarnation.objects.filter(tree=project.tree, number__gt=1, started_at__gte=since).count()
