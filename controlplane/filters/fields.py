"""What can be asked of each list. The browser gets the same table (see `fields_json`), so that it cannot drift."""

from typing import Any

from controlplane.filters.grammar import Field, Fields, Kind
from supervision.runtime.observed import STATES

KINDS = ("supervisor", "process", "agent", "celery_worker", "celery_task")
RESTARTS = ("permanent", "transient", "temporary")
NODE_STATES = ("up", "suspect", "down", "drained")
SEVERITIES = ("info", "good", "warning", "trouble")
FINDING_STATES = ("open", "closed", "wont_fix")
FINDING_SEVERITIES = ("info", "low", "medium", "high", "critical")
OUTCOMES = ("ok", "refused", "failed")
ALERT_STATES = ("open", "acknowledged", "resolved")
ALERT_SEVERITIES = ("critical", "warning", "info")
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

LISTS = {
    "procs": PROCS,
    "tree": TREE,
    "nodes": NODES,
    "events": EVENTS,
    "audit": AUDIT,
    "alerts": ALERTS,
    "findings": FINDINGS,
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
