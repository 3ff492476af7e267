"""The fields of a health check: what is asked of a running child, how often, and what follows when it does not answer."""

from collections.abc import Mapping
from typing import Any

from supervision.runtime.fielddoc import REQUIRED, Field, Report, Section, held
from supervision.runtime.fieldshapes import ListOf
from supervision.runtime.fieldtypes import NAME_TEXT, Count, Duration, Flag, PathText, Text, Word
from supervision.runtime.probefields import PROBE_FIELDS, PROBES

HOUR_S, DAY_S = 3600, 86400
MOST = 16
ON_UNHEALTHY = ("none", "restart", "escalate")

_HOST = Field("host", Text("host name or address", r"[^\s/]{1,253}"), "127.0.0.1", "Where to connect.")
_SOCKET = Field("socket", PathText(), None, "Path of a unix socket, instead of host and port.")
_CALL = Text("module:function", r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")

KINDS = ("heartbeat", *PROBES, "python", "postgres", "redis", "consumes")
"""What can be asked; each check says one of them."""


def _check(values: dict[str, Any], at: str, report: Report) -> None:
    if values.get("consumes") is False:
        report.add(f"{at}/consumes", "write true, or ask something else")


HEALTH_CHECK = Section(
    "health check",
    (
        Field("name", NAME_TEXT, None, "How it is called. Default: what it asks, such as `http`."),
        Field(
            "heartbeat",
            Section(
                "heartbeat",
                (Field("within", Duration(0.1, DAY_S), "30s", "The last WATCHDOG=1 is no older."),),
            ),
            None,
            "The process sends WATCHDOG=1 to NOTIFY_SOCKET.",
        ),
        *PROBE_FIELDS,
        Field(
            "python",
            Section(
                "python",
                (
                    Field("call", _CALL, REQUIRED, "Succeeds when it returns anything but false."),
                    Field("interpreter", PathText(), None, "Default: the node's own."),
                ),
            ),
            None,
            "A function that is called in a process of its own, as the child would be run.",
        ),
        Field(
            "postgres",
            Section("postgres", (_HOST, Field("port", Count(1, 65535), 5432, "Its port."), _SOCKET)),
            None,
            "A PostgreSQL server that takes connections; nobody logs in.",
        ),
        Field(
            "redis",
            Section("redis", (_HOST, Field("port", Count(1, 65535), 6379, "Its port."), _SOCKET)),
            None,
            "A Redis server that answers PING and is not loading.",
        ),
        Field("consumes", Flag(), None, "true: a Celery worker that says that it takes tasks."),
        Field("interval", Duration(0.05, HOUR_S), "30s", "Between the beginnings of two checks."),
        Field("timeout", Duration(0.05, HOUR_S), "5s", "A check that takes longer has failed."),
        Field("rise", Count(1, 100), 2, "Successes in a row until it is healthy again."),
        Field("fall", Count(1, 100), 3, "Failures in a row until it is unhealthy."),
        Field("start_period", Duration(0, DAY_S), "0s", "No check before this time after it was ready."),
        Field(
            "on_unhealthy",
            Word(ON_UNHEALTHY),
            "none",
            "none: it is shown. restart: the process is killed, and restarted as `restart` says; that counts in the "
            "intensity. escalate: its supervisor fails as past its intensity; what is above it decides, and counts it.",
        ),
    ),
    one_of=KINDS,
    checks=(_check,),
)


def check_names(values: dict[str, Any], at: str, report: Report) -> None:
    """No two checks of a child have one name."""
    seen: set[str] = set()
    for index, each in enumerate(held(values, "health") or ()):
        if not isinstance(each, dict):
            continue
        name = name_of(each)
        if name in seen:
            report.add(f"{at}/health/{index}", f"another check is called {name!r}: give it a name of its own")
        seen.add(name)


def name_of(check: Mapping[str, Any]) -> str:
    """What a check in normal form is called."""
    return str(check.get("name") or next((kind for kind in KINDS if kind in check), "check"))


HEALTH = Field(
    "health",
    ListOf(HEALTH_CHECK, most=MOST),
    [],
    "What is asked of it while it runs, and what follows when it does not answer.",
)
