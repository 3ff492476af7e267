"""The fields of a tree document that say where in the fleet the tree runs, and how a new revision gets there.

They concern the tree as a whole and no child's body: changing them restarts nothing. Left out they mean what a tree always
meant: one node runs it, whichever, and takes a new revision at once.
"""

from typing import Any

from supervision.runtime.fielddoc import Field, Report, Section, held
from supervision.runtime.fieldshapes import MapOf
from supervision.runtime.fieldtypes import DAY_S, Count, Duration, Flag, Text, Word

MAX_REPLICAS = 1000
"""Nodes that one tree may run on by number; `every` has no bound."""

ONE, EVERY, REPLICAS = "one", "every", "replicas"

LABELS = MapOf(Text("label", r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}"), Text("text", least=0), most=100)
"""Labels of a node, as node.toml says them and a tree asks for them."""


def _check_mode(values: dict[str, Any], at: str, report: Report) -> None:
    mode, replicas = held(values, "mode"), held(values, "replicas")
    if mode == REPLICAS and "replicas" not in values:
        report.add(at, "`replicas` is missing: how many nodes run it")
    if replicas is not None and mode in (ONE, EVERY):
        report.add(f"{at}/replicas", f"with `mode: {mode}` nothing is counted: write `mode: {REPLICAS}`")
    if held(values, "singleton") is True and mode in (EVERY, REPLICAS):
        report.add(f"{at}/singleton", f"a singleton runs on one node: `mode` is {mode}")


PLACEMENT = Section(
    "placement",
    (
        Field("labels", LABELS, {}, "Only nodes with all of these labels run it. Default: any node."),
        Field(
            "mode",
            Word((ONE, EVERY, REPLICAS)),
            ONE,
            "One node runs it, every node with the labels, or `replicas` of them.",
        ),
        Field("replicas", Count(0, MAX_REPLICAS), None, "With `mode: replicas`, how many nodes run it."),
        Field(
            "singleton",
            Flag(),
            False,
            "Never in two places: it is stopped where it is before it is started elsewhere.",
        ),
        Field(
            "fence",
            Flag(),
            None,
            "Whether a node that cannot renew its lease ends it before another node takes it over. "
            "Default: singletons.",
        ),
    ),
    checks=(_check_mode,),
    elsewhere={
        "nodes": "a node is chosen by its labels",
        "node": "a node is chosen by its labels",
        "instances": "instances on one node stand beside the child",
    },
)

ROLLOUT = Section(
    "rollout",
    (
        Field(
            "max_unavailable",
            Count(1, MAX_REPLICAS),
            1,
            "So many nodes at a time take a new revision; the next one waits until they are ready.",
        ),
        Field(
            "ready_deadline",
            Duration(0.1, DAY_S),
            "5m",
            "How long each of them may take until every child is ready.",
        ),
        Field(
            "auto_rollback",
            Flag(),
            False,
            "Whether the revision before is applied again, as a new one, when the deadline passes or a supervisor gives up.",
        ),
    ),
    elsewhere={"surge": "a drain surges by itself: it adds a place before it removes one"},
)
