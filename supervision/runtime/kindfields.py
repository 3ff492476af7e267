"""The sections of the kinds that are processes, or work, of a framework: agents, Celery workers, Celery tasks.

They are defined, and strict, from the first version of the document on, so that a file written today stays valid; a node
says in its preflight which kinds it runs.
"""

import json
import math
from dataclasses import dataclass
from typing import Any

from supervision.runtime.fielddoc import (
    INVALID,
    REQUIRED,
    Definitions,
    Field,
    Report,
    Section,
    held,
    is_text,
    shown,
)
from supervision.runtime.fieldshapes import Either, ListOf
from supervision.runtime.fieldtypes import (
    NAME,
    NAME_TEXT,
    Count,
    Duration,
    Flag,
    PathText,
    Size,
    Text,
    Word,
)
from supervision.runtime.healthfields import check_names
from supervision.runtime.hostfields import HOST
from supervision.runtime.probefields import ARGV
from supervision.runtime.processfields import DAY_S, INFINITY

MODULE = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*"
MAX_JSON_BYTES = 64 * 1024
MAX_JSON_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Json:
    """Any JSON of this shape, bounded: the framework's own words, which mean nothing to us."""

    shape: type[dict[str, Any]] | type[list[Any]]

    @property
    def words(self) -> str:
        return f"JSON {'object' if self.shape is dict else 'list'}, at most {MAX_JSON_BYTES // 1024} KiB"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, self.shape)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if not isinstance(value, self.shape):
            report.add(at, f"{shown(value)} is no {self.words}")
            return INVALID
        try:
            made = _json(value, MAX_JSON_DEPTH)
            size = len(json.dumps(made))
        except ValueError as error:
            report.add(at, str(error))
            return INVALID
        if size > MAX_JSON_BYTES:
            report.add(at, f"{size} bytes: at most {MAX_JSON_BYTES}")
            return INVALID
        return made

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"type": "object" if self.shape is dict else "array"}


def _json(value: Any, depth: int) -> Any:
    """A copy; ValueError for what JSON cannot say. 5.0 stays 5.0: to the framework it may not be 5."""
    if depth == 0:
        raise ValueError(f"nested too deep: at most {MAX_JSON_DEPTH} levels")
    if isinstance(value, dict):
        return {_json_key(key): _json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item, depth - 1) for item in value]
    if isinstance(value, str) and not is_text(value):
        raise ValueError(f"{shown(value)} holds a surrogate, which is not a character")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{shown(value)} is not a number JSON can say")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError(f"{shown(value)} does not fit 64 bits")
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(f"{shown(value)} is not JSON")
    return value


def _json_key(key: Any) -> str:
    if not isinstance(key, str) or not is_text(key):
        raise ValueError(f"{shown(key)} is not a key: keys are text")
    return key


_MODULES = ListOf(Text("module name", MODULE), most=1000, unique=True, called="list of modules")
_NAMES = ListOf(NAME_TEXT, most=100, unique=True, called="list of names")
_QUEUE = Text("name of a queue", r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_QUEUES = ListOf(_QUEUE, least=1, most=100, unique=True, called="list of names")
_APP = Text("`package.module` or `package.module:attribute`", rf"{MODULE}(?::{MODULE})?")
_READY = Either((Word((INFINITY,)), Duration(0.1, DAY_S)))
_PYTHON = Field(
    "python", PathText(), None, "Interpreter, such as that of a virtual environment. Default: the node's own."
)


def _check_agent(values: dict[str, Any], at: str, report: Report) -> None:
    """What it runs stands here, or in a config, which the control plane fills in; what is said beside a config wins."""
    given = [name for name in ("entry_point", "command") if name in values]
    if len(given) == 2:
        report.add(at, "exactly one of entry_point, command: entry_point and command are given")
    if not given and "config" not in values:
        report.add(at, "exactly one of entry_point, command, config: none is given")
    if "revision" in values and "config" not in values:
        report.add(f"{at}/revision", "a revision is of a `config`, and none is named")
    if held(values, "start") == "template" and "command" in values:
        values["start"] = "exec"


AGENT = Section(
    "agent",
    (
        Field(
            "entry_point",
            Text("`package.module:Class`", rf"{MODULE}:{MODULE}"),
            None,
            "Agent class of the SDK.",
        ),
        Field("command", ARGV, None, "Program that uses the SDK."),
        Field(
            "config",
            Text("`name` or `namespace/name`", rf"{NAME}(?:/{NAME})?"),
            None,
            "Registered agent config.",
        ),
        Field(
            "revision",
            Count(1, 2**31 - 1),
            None,
            "Revision of `config`. Default: the newest; the tree moves on with each new one.",
        ),
        Field(
            "on_change",
            Word(("restart", "deliver")),
            "restart",
            "Other `arguments` restart the agent, or are delivered to its `handle_config`.",
        ),
        Field("namespace", NAME_TEXT, "default", "Namespace of its registrations."),
        Field("arguments", Json(dict), {}, "Given to the agent's `init`."),
        Field("capabilities", _NAMES, [], "What others may look for."),
        Field("metadata", Json(dict), {}, "Shown and returned by the registry."),
        Field(
            "start",
            Word(("template", "exec")),
            "template",
            "Forked from a template process, or run as a new program.",
        ),
        _PYTHON,
        Field("preload", _MODULES, [], "Modules the template imports before it forks."),
        Field("spares", Count(0, 100), 0, "Agents forked ahead of need."),
        Field("ready_within", _READY, "90s", "A start that is not ready by then has failed."),
        Field(
            "heartbeat",
            Duration(0.05, DAY_S),
            None,
            "The agent beats at least this often, or is `unhealthy`.",
        ),
        Field(
            "checkpoint",
            Section(
                "checkpoint",
                (
                    Field("keep", Count(1, 1000), 3, "Checkpoints that are kept."),
                    Field(
                        "max_age",
                        Duration(1),
                        None,
                        "Older ones go, but the newest stays. Default: no bound.",
                    ),
                    Field("max_bytes", Size(1024, 2**30), "1MiB", "A larger one is refused."),
                ),
            ),
            None,
            "How checkpoints are kept. Default: the bounds that stand here.",
        ),
        *HOST,
    ),
    checks=(_check_agent, check_names),
)


def _check_scale(values: dict[str, Any], at: str, report: Report) -> None:
    least, most = held(values, "min"), held(values, "max")
    if least is not None and most is not None and least > most:
        report.add(f"{at}/min", f"{least} is more than the maximum of {most}")
    for index, entry in enumerate(held(values, "schedule") or ()):
        workers = held(entry, "workers") if isinstance(entry, dict) else None
        if workers is not None and most is not None and workers > most:
            report.add(f"{at}/schedule/{index}/workers", f"{workers} is more than the maximum of {most}")


def _check_schedule(values: dict[str, Any], at: str, report: Report) -> None:
    from supervision.runtime.cronline import why_no_cron, why_no_zone  # for the few documents that have one

    for name, why in (("cron", why_no_cron), ("timezone", why_no_zone)):
        given = held(values, name)
        if isinstance(given, str) and (words := why(given)):
            report.add(f"{at}/{name}", words)


def _check_time_limits(values: dict[str, Any], at: str, report: Report) -> None:
    soft, hard = held(values, "task_soft_time_limit"), held(values, "task_time_limit")
    if soft is not None and hard is not None and soft >= hard:
        report.add(f"{at}/task_soft_time_limit", "the soft limit comes before `task_time_limit`")


CELERY_WORKER = Section(
    "celery_worker",
    (
        Field("app", _APP, REQUIRED, "The Celery application, as `celery -A` takes it."),
        _PYTHON,
        Field("queues", _QUEUES, ["celery"], "Queues it consumes."),
        Field("concurrency", Count(1, 1000), None, "Tasks at a time. Default: the number of CPUs."),
        Field(
            "pool", Word(("prefork", "threads", "solo", "gevent", "eventlet")), "prefork", "Celery's pool."
        ),
        Field("prefetch", Count(1, 1000), 1, "Messages it takes ahead, for each of its tasks at a time."),
        Field(
            "soft_shutdown",
            Duration(0, DAY_S),
            None,
            "Time running tasks get to end. Default: two seconds less than `shutdown`.",
        ),
        Field("task_time_limit", Duration(1, 30 * DAY_S), None, "A task that takes longer is killed."),
        Field(
            "task_soft_time_limit", Duration(1, 30 * DAY_S), None, "A task that takes longer is interrupted."
        ),
        Field("arguments", ListOf(Text("text"), most=100), [], "Further arguments of `celery worker`."),
        Field(
            "looks_only",
            Flag(),
            None,
            "It takes nothing and only tells of its queues. The control plane says so of a pool that has scaled to zero.",
        ),
        Field(
            "recycle",
            Section(
                "recycle",
                (
                    Field("memory", Size(2**20), None, "When it uses more."),
                    Field("tasks", Count(1, 2**31 - 1), None, "After so many tasks."),
                    Field("age", Duration(1, 366 * DAY_S), None, "After this time."),
                ),
            ),
            None,
            "When a worker is replaced: another one is added before it drains.",
        ),
        Field(
            "scale",
            Section(
                "scale",
                (
                    Field("min", Count(0, 10_000), 1, "Fewest workers."),
                    Field("max", Count(1, 10_000), REQUIRED, "Most workers."),
                    Field(
                        "queue_length",
                        Count(1, 2**31 - 1),
                        None,
                        "One more while more messages wait for each worker.",
                    ),
                    Field(
                        "oldest", Duration(0.1, DAY_S), None, "One more while the oldest message is older."
                    ),
                    Field("cooldown", Duration(0, DAY_S), "60s", "Between two changes."),
                    Field(
                        "schedule",
                        ListOf(
                            Section(
                                "scale schedule",
                                (
                                    Field(
                                        "cron",
                                        Text("cron line of five fields", r"\S+(?: +\S+){4}"),
                                        REQUIRED,
                                        "When.",
                                    ),
                                    Field(
                                        "workers",
                                        Count(0, 10_000),
                                        REQUIRED,
                                        "Fewest workers from then on, instead of `min`.",
                                    ),
                                    Field(
                                        "timezone",
                                        Text("time zone", r"[A-Za-z0-9_+/-]{1,64}"),
                                        "UTC",
                                        "Of `cron`.",
                                    ),
                                ),
                                checks=(_check_schedule,),
                            ),
                            most=100,
                        ),
                        [],
                        "Bounds by the clock.",
                    ),
                ),
                checks=(_check_scale,),
            ),
            None,
            "Scale by whole workers, instead of `instances`.",
        ),
        Field(
            "stalled_after",
            _READY,
            "60s",
            "A worker that takes nothing for so long while its queues grow is `unhealthy`.",
        ),
        Field("ready_within", _READY, "90s", "A start that does not consume by then has failed."),
        *HOST,
    ),
    checks=(_check_time_limits, check_names),
)


CELERY_TASK = Section(
    "celery_task",
    (
        Field("app", _APP, REQUIRED, "The Celery application the task belongs to."),
        _PYTHON,
        Field("task", Text("name of a task", r"[^\s\x00-\x1f]{1,255}"), REQUIRED, "Name of the task."),
        Field("args", Json(list), [], "Arguments."),
        Field("kwargs", Json(dict), {}, "Keyword arguments."),
        Field("queue", _QUEUE, None, "Queue it is put into. Default: where the application routes it."),
        Field("priority", Count(0, 9), None, "Priority in the broker."),
        Field("timeout", Duration(0.1, 30 * DAY_S), None, "An attempt that takes longer is killed."),
        Field(
            "start_within",
            Duration(1, 30 * DAY_S),
            None,
            "An attempt that no worker took by then has failed.",
        ),
        Field(
            "max_attempts",
            Count(1, 1000),
            5,
            "Attempts that may end with a dead worker before the task is `parked`.",
        ),
        *HOST,
    ),
)
