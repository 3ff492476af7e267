"""What can be asked of each list. The browser gets the same table (see `fields_json`), so that it cannot drift."""

from typing import Any

from controlplane.filters.grammar import Field, Fields, Kind
from supervision.leaks.resources import RESOURCES
from supervision.leaks.watch import Course
from supervision.leaks.words import Action
from supervision.runtime.healthfields import KINDS as KINDS_OF_CHECKS
from supervision.runtime.healthstate import Health
from supervision.runtime.observed import STATES
from supervision.tasks.states import RunState

KINDS = ("supervisor", "process", "agent", "celery_worker", "celery_task")
RESTARTS = ("permanent", "transient", "temporary")
NODE_STATES = ("up", "suspect", "down", "drained")
SEVERITIES = ("info", "good", "warning", "trouble")
FINDING_STATES = ("open", "closed", "wont_fix")
FINDING_SEVERITIES = ("info", "low", "medium", "high", "critical")
OUTCOMES = ("ok", "refused", "failed")
ALERT_STATES = ("open", "acknowledged", "resolved")
ALERT_SEVERITIES = ("critical", "warning", "info")
LEAKING = tuple(RESOURCES)
LEAK_COURSES = tuple(str(one) for one in Course)
LEAK_ACTIONS = tuple(str(one) for one in Action)
HEALTH_STATES = tuple(str(one) for one in Health)

TASK_STATES = tuple(str(one) for one in RunState)

ACTORS = ("user", "token", "local", "system", "node", "anonymous")


def _fields(*fields: Field, text: tuple[str, ...], text_lookups: tuple[str, ...]) -> Fields:
    return Fields({field.name: field for field in fields}, text, text_lookups)


def _plain(name: str, kind: Kind, *lookups: str, words: tuple[str, ...] = ()) -> Field:
    """A field that is a column of its own name."""
    return Field(name, kind, (name,), lookups or (name,), words)


_MEMBER = (
    _plain("state", Kind.WORD, words=STATES),
    _plain("wanted", Kind.WORD, words=("up", "down")),
    _plain("key", Kind.TEXT),
    _plain("name", Kind.TEXT, "child_id"),
    _plain("tree", Kind.TEXT),
    Field("supervisor", Kind.TEXT, ("parent",), ("parent",)),
    Field("node", Kind.TEXT, ("node", "host"), ("node_id", "node__name")),
    _plain("kind", Kind.WORD, words=KINDS),
    _plain("restart", Kind.WORD, words=RESTARTS),
    _plain("restarts", Kind.NUMBER),
    _plain("incarnation", Kind.NUMBER),
    Field("uptime", Kind.AGE, ("since",), ("since",)),
    Field("exit", Kind.TEXT, ("exit",), ("last_exit_reason",)),
    _plain("held", Kind.FLAG),
    _plain("ready", Kind.FLAG),
    _plain("dynamic", Kind.FLAG),
    _plain("status", Kind.TEXT),
)

PROCS = _fields(
    *_MEMBER,
    _plain("pid", Kind.NUMBER),
    Field("cpu", Kind.RATIO, ("cpu",)),
    *(Field(name, Kind.BYTES, (name,)) for name in ("rss", "pss")),
    *(Field(name, Kind.NUMBER, (name,)) for name in ("fds", "threads", "children")),
    text=("key", "status", "exit", "command"),
    text_lookups=("key", "status", "last_exit_reason", "command"),
)
AGENTS = _fields(
    *_MEMBER,
    _plain("pid", Kind.NUMBER),
    Field("cpu", Kind.RATIO, ("cpu",)),
    Field("rss", Kind.BYTES, ("rss",)),
    Field("config", Kind.TEXT, ("config",)),
    Field("revision", Kind.NUMBER, ("revision",)),
    Field("healthy", Kind.FLAG, ("healthy",)),
    Field("capability", Kind.TEXT, ("capabilities",)),
    Field("service", Kind.TEXT, ("services",)),
    Field("label", Kind.TEXT, ("labels",)),
    text=("key", "status", "exit", "config"),
    text_lookups=(),
)
TREE = _fields(
    *_MEMBER,
    _plain("strategy", Kind.WORD, words=("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")),
    text=("key", "status", "exit"),
    text_lookups=("key", "status", "last_exit_reason"),
)
NODES = _fields(
    _plain("state", Kind.WORD, words=NODE_STATES),
    Field("node", Kind.TEXT, ("node", "host"), ("id", "name")),
    Field("label", Kind.TEXT, ("labels",)),
    _plain("version", Kind.TEXT),
    _plain("draining", Kind.FLAG),
    Field("children", Kind.NUMBER, ("children",)),
    Field("strays", Kind.NUMBER, ("strays",)),
    Field("silent", Kind.AGE, ("renewed_at",), ("renewed_at",)),
    text=("node", "host", "labels"),
    text_lookups=("id", "name", "labels"),
)
EVENTS = _fields(
    Field("node", Kind.TEXT, ("node", "host"), ("node_id",)),
    _plain("tree", Kind.TEXT),
    _plain("key", Kind.TEXT),
    _plain("kind", Kind.TEXT),
    Field("severity", Kind.WORD, ("severity",), words=SEVERITIES),
    Field("age", Kind.AGE, ("at",), ("at",)),
    text=("key", "text"),
    text_lookups=("key", "kind"),
)
AUDIT = _fields(
    Field("who", Kind.TEXT, ("who",), ("actor_name",)),
    Field("actor", Kind.WORD, ("actor",), ("actor_kind",), ACTORS),
    _plain("action", Kind.TEXT),
    _plain("target", Kind.TEXT),
    _plain("tree", Kind.TEXT),
    _plain("outcome", Kind.WORD, words=OUTCOMES),
    _plain("reason", Kind.TEXT),
    _plain("ip", Kind.TEXT),
    Field("age", Kind.AGE, ("at",), ("at",)),
    text=("who", "action", "target", "reason"),
    text_lookups=("actor_name", "action", "target", "reason"),
)
ALERTS = _fields(
    _plain("state", Kind.WORD, words=ALERT_STATES),
    _plain("kind", Kind.TEXT),
    _plain("severity", Kind.WORD, words=ALERT_SEVERITIES),
    _plain("tree", Kind.TEXT),
    _plain("node", Kind.TEXT, "node_id"),
    _plain("subject", Kind.TEXT),
    Field("age", Kind.AGE, ("raised_at",), ("raised_at",)),
    text=("title", "subject"),
    text_lookups=("title", "subject", "body"),
)

FINDINGS = _fields(
    Field("project", Kind.TEXT, ("project",), ("project__name",)),
    _plain("state", Kind.WORD, words=FINDING_STATES),
    _plain("severity", Kind.WORD, words=FINDING_SEVERITIES),
    _plain("rule", Kind.TEXT),
    _plain("name", Kind.TEXT),
    _plain("path", Kind.TEXT),
    _plain("symbol", Kind.TEXT),
    _plain("owner", Kind.TEXT),
    _plain("tool", Kind.TEXT),
    _plain("confidence", Kind.WORD, words=("high", "medium", "low")),
    _plain("returned", Kind.NUMBER),
    Field("reported", Kind.FLAG, ("is_reported",), ("is_reported",)),
    Field("age", Kind.AGE, ("first_at",), ("first_at",)),
    text=("rule", "name", "path", "symbol", "message"),
    text_lookups=("rule", "name", "path", "symbol", "message"),
)

LEAKS = _fields(
    _plain("key", Kind.TEXT),
    _plain("tree", Kind.TEXT),
    Field("node", Kind.TEXT, ("node", "host"), ("node_id", "node__name")),
    _plain("resource", Kind.WORD, words=LEAKING),
    _plain("course", Kind.WORD, words=LEAK_COURSES),
    _plain("action", Kind.WORD, words=LEAK_ACTIONS),
    _plain("outcome", Kind.TEXT),
    _plain("policy", Kind.TEXT),
    Field("age", Kind.AGE, ("since",), ("since",)),
    text=("key", "verdict"),
    text_lookups=("key", "verdict"),
)

HEALTH = _fields(
    _plain("state", Kind.WORD, words=HEALTH_STATES),
    _plain("key", Kind.TEXT),
    _plain("tree", Kind.TEXT),
    Field("node", Kind.TEXT, ("node", "host"), ("node_id", "node__name")),
    _plain("name", Kind.TEXT),
    _plain("kind", Kind.WORD, words=KINDS_OF_CHECKS),
    Field("stale", Kind.FLAG, ("stale",)),
    Field("age", Kind.AGE, ("checked_at",), ("checked_at",)),
    text=("key", "name", "detail"),
    text_lookups=("key", "name", "detail"),
)

TASKS = _fields(
    _plain("state", Kind.WORD, words=TASK_STATES),
    _plain("name", Kind.TEXT),
    _plain("app", Kind.TEXT),
    _plain("queue", Kind.TEXT),
    _plain("tree", Kind.TEXT),
    _plain("id", Kind.TEXT),
    _plain("supervisor", Kind.TEXT),
    _plain("reason", Kind.TEXT),
    _plain("message", Kind.TEXT),
    Field("node", Kind.TEXT, ("node",), ("node_id",)),
    _plain("attempt", Kind.NUMBER),
    _plain("lost", Kind.NUMBER),
    Field("ran", Kind.NUMBER, ("run_s",), ("run_s",)),
    Field("age", Kind.AGE, ("created_at",), ("created_at",)),
    text=("name", "reason", "message"),
    text_lookups=("name", "reason", "message"),
)

ISSUE_STATUSES = ("new", "ongoing", "escalating", "regressed", "muted", "resolved", "archived")
ISSUE_IS = (*ISSUE_STATUSES, "open", "assigned", "unassigned")
ERROR_LEVELS = ("fatal", "error", "warning", "info", "debug")
ISSUES = _fields(
    _plain("status", Kind.WORD, words=ISSUE_STATUSES),
    _plain("is", Kind.WORD, words=ISSUE_IS),
    Field("open", Kind.FLAG, ("is_open",), ("is_open",)),
    _plain("level", Kind.WORD, words=ERROR_LEVELS),
    _plain("type", Kind.TEXT),
    Field("message", Kind.TEXT, ("value",), ("value",)),
    _plain("culprit", Kind.TEXT),
    Field("project", Kind.TEXT, ("project",), ("project__slug",)),
    Field("tree", Kind.TEXT, ("tree",), ("project__tree",)),
    Field("child", Kind.TEXT, ("child",), ("child", "stat__last_child")),
    _plain("supervisor", Kind.TEXT),
    Field("release", Kind.TEXT, ("release",), ("first_release", "stat__last_release")),
    Field("environment", Kind.TEXT, ("environment",), ("stat__last_environment",)),
    Field("env", Kind.TEXT, ("environment",), ("stat__last_environment",)),
    Field("assignee", Kind.TEXT, ("assignee",), ("assignee__username", "team__slug")),
    _plain("has", Kind.TEXT),
    Field("user", Kind.TEXT, ("user",), ("tags__value",)),
    Field("tag", Kind.TEXT, ("tag",), ("tags__value",)),
    Field("events", Kind.NUMBER, ("count",), ("stat__count",)),
    Field("count", Kind.NUMBER, ("count",), ("stat__count",)),
    Field("users", Kind.NUMBER, ("users",), ("stat__users",)),
    Field("first_seen", Kind.AGE, ("first_seen",), ("first_seen",)),
    Field("last_seen", Kind.AGE, ("last_seen",), ("stat__last_seen",)),
    text=("title", "culprit", "child"),
    text_lookups=("title", "culprit", "project__slug", "child", "value"),
)

LISTS = {
    "procs": PROCS,
    "tree": TREE,
    "agents": AGENTS,
    "nodes": NODES,
    "events": EVENTS,
    "audit": AUDIT,
    "alerts": ALERTS,
    "findings": FINDINGS,
    "leaks": LEAKS,
    "health": HEALTH,
    "issues": ISSUES,
    "tasks": TASKS,
}


def fields_json(fields: Fields) -> dict[str, Any]:
    """For the browser: `{"fields": {name: {"kind", "columns", "words"}}, "text": [columns]}`."""
    return {
        "fields": {
            field.name: {"kind": str(field.kind), "columns": list(field.columns), "words": list(field.words)}
            for field in fields.by_name.values()
        },
        "text": list(fields.text),
    }
