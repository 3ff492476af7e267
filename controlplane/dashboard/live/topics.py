"""The topics: their columns, what is urgent in them, and who may have them."""

from collections.abc import Callable
from dataclasses import dataclass

from controlplane.access.policy import Permission, Principal, tree_of, visible_trees

PROCS = (
    "key", "name", "tree", "parent", "node", "host", "kind", "state", "wanted", "incarnation", "pid", "since",
    "restarts", "restart", "exit", "exit_at", "exit_incarnation", "held", "held_until", "backoff_until",
    "waiting_for", "status", "stage", "command", "ready", "dynamic", "cpu", "rss", "pss", "fds", "threads", "children",
)  # fmt: skip
TREE = (
    "key", "name", "tree", "parent", "node", "host", "position", "is_supervisor", "kind", "state", "wanted",
    "incarnation", "pid", "since", "restarts", "restart", "exit", "exit_at", "held", "held_until", "backoff_until",
    "waiting_for", "status", "strategy", "intensity", "period", "window_used", "counts", "rss", "restarts_1h",
)  # fmt: skip
SUMMARY = ("value",)
NODES = (
    "node", "host", "state", "draining", "labels", "version", "pid", "guardian_pid", "started_at", "joined_at",
    "renewed_at", "lease_until", "epoch", "children", "states", "strays", "journal_seq", "sampled_at", "helpers",
)  # fmt: skip
EVENTS = ("at", "node", "host", "tree", "key", "kind", "severity", "text")
AUDIT = ("at", "who", "actor", "action", "target", "tree", "outcome", "reason", "ip")
LEAKS = (
    "key", "tree", "node", "host", "incarnation", "resource", "course", "action", "since", "found_at", "seen_at",
    "ended_at", "outcome", "value", "growth", "rate", "rate_low", "rate_high", "limit", "limit_name", "limit_at",
    "verdict", "points", "policy", "deed_state", "deed_at", "deed_said",
)  # fmt: skip
HEALTH = (
    "key", "tree", "node", "host", "incarnation", "name", "kind", "state", "stale", "since", "checked_at", "took_s",
    "detail", "failures", "successes", "interval_s", "timeout_s", "on_unhealthy",
)  # fmt: skip
SHARED_LEAKS = (
    "kind", "subject", "tree", "value", "since", "found_at", "ended_at", "rate", "rate_low", "rate_high", "verdict",
    "points", "evidence",
)  # fmt: skip
"""`tree` is empty: what the fleet shares belongs to none, and is shown to who may see all."""
ALERTS = (
    "kind", "severity", "title", "subject", "tree", "node", "state", "count", "raised_at", "last_at", "resolved_at", "by",
    "is_silenced",
)  # fmt: skip
CHILD = ("what", "at", "data")

SAMPLE = ("cpu", "rss", "pss", "fds", "threads", "children")
URGENT = ("state", "wanted", "incarnation", "pid", "held", "exit", "ready")

CHILD_PREFIX = "child:"
MAX_MASK_BITS = 32


@dataclass(frozen=True, slots=True)
class Topic:
    """columns   in the order of masks
    tree_column   rows are shown by the right to view their tree; without one the topic needs `permission` on all trees
    per_viewer    the rows differ with what may be seen, so there is one table for each set of visible trees
    """

    name: str
    columns: tuple[str, ...]
    urgent: tuple[str, ...] = ()
    tree_column: str | None = None
    permission: Permission = Permission.VIEW
    per_viewer: bool = False


TOPICS = {
    topic.name: topic
    for topic in (
        Topic("procs", PROCS, URGENT, "tree"),
        Topic("tree", TREE, (*URGENT[:6], "window_used", "strategy"), "tree"),
        Topic("summary", SUMMARY, per_viewer=True),
        Topic("counts", SUMMARY, per_viewer=True),
        Topic("nodes", NODES, ("state", "draining")),
        Topic("events", EVENTS, EVENTS, "tree"),
        Topic("health", HEALTH, ("state", "stale"), "tree"),
        Topic("leaks", LEAKS, ("ended_at", "action"), "tree"),
        Topic("shared_leaks", SHARED_LEAKS, ("ended_at", "found_at"), "tree"),
        Topic("alerts", ALERTS, ("state", "count", "severity"), "tree"),
        Topic("audit", AUDIT, AUDIT, permission=Permission.ADMIN),
    )
}
CHILD_TOPIC = Topic("child", CHILD, ("at",))
"""`at` of what runs now is when its state changed; its samples are in `data` and can wait."""


def topic_of(name: str) -> Topic | None:
    """The topic called `name`; None when there is none."""
    if name.startswith(CHILD_PREFIX):
        return CHILD_TOPIC if tree_of(name.removeprefix(CHILD_PREFIX)) else None
    return TOPICS.get(name)


def refusal(name: str, principal: Principal) -> str:
    """Why `principal` may not have the topic; "" when it may."""
    topic = topic_of(name)
    if topic is None:
        return f"there is no topic {name}"
    if name.startswith(CHILD_PREFIX):
        tree = tree_of(name.removeprefix(CHILD_PREFIX))
        return (
            "" if principal.can(Permission.VIEW, tree) else f"there is no tree {tree}, or you may not see it"
        )
    if topic.tree_column or topic.per_viewer:
        return "" if principal.can_somewhere(Permission.VIEW) else "you may see no tree"
    if principal.can(topic.permission):
        return ""
    return "only an admin sees the audit log" if name == "audit" else "this needs a grant on all trees"


def visible_for(name: str, principal: Principal) -> frozenset[str] | None:
    """What of the topic `principal` may see. A topic that was allowed as a whole is not cut by trees."""
    topic = topic_of(name)
    if topic is None or not (topic.tree_column or topic.per_viewer):
        return None
    return visible_trees(principal)


Refusal = Callable[[str, Principal], str]
