"""The fields of a tree document: the tree, its supervisors, their children.

What concerns supervision stands beside `id`, in OTP's words; what concerns how a child runs stands in the section named by
its kind. Intensity and period have their default here, 3 in 5 s: the kernel has none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.runtime.environmentdoc import ENVIRONMENT
from supervision.runtime.fielddoc import INVALID, REQUIRED, Definitions, Field, Report, Section, held, shown
from supervision.runtime.fieldshapes import Either, ListOf, Nested
from supervision.runtime.fieldtypes import NAME, NAME_TEXT, Count, Duration, Flag, Real, Text, Word
from supervision.runtime.kindfields import AGENT, CELERY_TASK, CELERY_WORKER
from supervision.runtime.leakfields import ON_LEAK
from supervision.runtime.placementfields import PLACEMENT, ROLLOUT
from supervision.runtime.processfields import DAY_S, INFINITY, PROCESS

MAX_DEPTH = 32
"""Supervisors inside one another."""
MAX_CHILDREN = 10_000
"""Children of one tree, instances counted."""

BRUTAL_KILL = "brutal_kill"
REPORT_ERRORS = "report_errors"
KINDS: Mapping[str, Section] = {
    "process": PROCESS,
    "agent": AGENT,
    "celery_worker": CELERY_WORKER,
    "celery_task": CELERY_TASK,
}
_KIND_MEANINGS = {
    "process": "Any program.",
    "agent": "A long-running Python program that uses the SDK.",
    "celery_worker": "A Celery worker.",
    "celery_task": "A Celery task; its end is the end of the child.",
}

DEPENDENCY = rf"{NAME}(?:@[A-Za-z0-9._-]{{1,63}})?(?:/{NAME}(?:@[A-Za-z0-9._-]{{1,63}})?)*"


def _check_cap(values: dict[str, Any], at: str, report: Report) -> None:
    initial, cap = held(values, "initial"), held(values, "cap")
    if initial is not None and cap is not None and cap < initial:
        report.add(f"{at}/cap", f"{cap:g} s is less than `initial`, {initial:g} s")


_FACTOR = Field("factor", Real(1, 100), 2, "Each further wait is this much longer.")

BACKOFF = Section(
    "backoff",
    (
        Field("initial", Duration(0, DAY_S), "1s", "Wait before the first restart."),
        _FACTOR,
        Field("cap", Duration(0, DAY_S), "60s", "No wait is longer."),
        Field(
            "jitter",
            Real(0, 1),
            0,
            "The part of a wait that may be taken off, so that many do not return at once.",
        ),
        Field(
            "reset_after",
            Duration(0.001, DAY_S),
            "60s",
            "After a life this long the next wait is the first again.",
        ),
    ),
    checks=(_check_cap,),
)

ON_FAILURE = Section(
    "on_failure",
    (
        Field(
            "action",
            Word(("retry", "stay_down")),
            "retry",
            "Start the tree again, or leave it to an operator.",
        ),
        Field("initial", Duration(0, DAY_S), "1s", "Wait before the first retry."),
        _FACTOR,
        Field(
            "cap",
            Duration(0, DAY_S),
            "60s",
            "No wait is longer; a tree that ran so long begins at `initial` again.",
        ),
    ),
    checks=(_check_cap,),
)

_COMMON = (
    Field("id", NAME_TEXT, REQUIRED, "Name among its siblings."),
    Field(
        "restart",
        Word(("permanent", "transient", "temporary")),
        "permanent",
        "Restarted always, only after an abnormal end, or never (a one-shot job).",
    ),
    Field("significant", Flag(), False, "Its end counts for `auto_shutdown` of its supervisor."),
    Field("backoff", BACKOFF, None, "Wait before restarts, longer each time. Default: none, as in OTP."),
    Field(
        "depends_on",
        ListOf(
            Text("id of a sibling, or path from the root such as `stores/queue`", DEPENDENCY),
            most=100,
            unique=True,
        ),
        [],
        "What must be ready before it starts. The id of a child with `instances` means all of them.",
    ),
)
_SHUTDOWN = Either((Word((BRUTAL_KILL, INFINITY)), Duration(0, DAY_S)))
_SHUTDOWN_MEANING = "From the request to stop to SIGKILL; `brutal_kill`: at once; `infinity`: never."


def _check_kind(values: dict[str, Any], at: str, report: Report) -> None:
    """The section that is given is the one of its kind; a kind that is not written is that of its section."""
    given = [kind for kind in KINDS if kind in values]
    if "kind" not in values:
        values["kind"] = given[0] if given else "process"
    kind = values["kind"]
    if kind is INVALID:
        return
    if kind not in values and not given:
        report.add(
            at,
            f"`{kind}` is missing: the section of a child of this kind (or `supervisor`, for a supervisor)",
        )
    for other in given:
        if other != kind:
            report.add(f"{at}/{other}", f"the child is of kind {kind}")


def _check_completes(values: dict[str, Any], at: str, report: Report) -> None:
    process = held(values, "process")
    readiness = held(process, "readiness") if isinstance(process, dict) else None
    if isinstance(readiness, dict) and "completed" in readiness and held(values, "restart") == "permanent":
        report.add(f"{at}/process/readiness/completed", "a permanent child never completes: write `restart`")


def _check_scaled(values: dict[str, Any], at: str, report: Report) -> None:
    worker = held(values, "celery_worker")
    if isinstance(worker, dict) and "scale" in worker and "instances" in values:
        report.add(f"{at}/instances", "`scale` says how many there are")


def _check_canary(values: dict[str, Any], at: str, report: Report) -> None:
    canary = held(values, "canary")
    if not isinstance(canary, dict):
        return
    if held(values, "kind") != "agent":
        report.add(f"{at}/canary", "only an agent has one")
    number, instances = held(canary, "instance"), held(values, "instances")
    if (number is None) != (instances is None):
        report.add(f"{at}/canary/instance", "exactly a child with `instances` says which of them")
    elif number is not None and instances is not None and number > instances:
        report.add(f"{at}/canary/instance", f"there are {instances} instances")


CANARY = Section(
    "canary",
    (
        Field("instance", Count(1, MAX_CHILDREN), None, "Which of the `instances`."),
        Field("agent", AGENT, REQUIRED, "What it runs instead of the child's own section."),
    ),
)

WORKER = Section(
    "child",
    (
        *_COMMON[:1],
        Field("kind", Word(tuple(KINDS)), None, "What it is. Default: what its section says."),
        *_COMMON[1:3],
        Field("shutdown", _SHUTDOWN, "5s", _SHUTDOWN_MEANING),
        *_COMMON[3:],
        Field(
            "success_exit_codes",
            ListOf(Count(0, 255), most=256, unique=True),
            [],
            "Exit codes that are a normal end, beside 0.",
        ),
        Field(
            "instances",
            Count(0, MAX_CHILDREN),
            None,
            "So many of them, `id@1` to `id@n`. Default: one, called `id`.",
        ),
        ON_LEAK,
        *(Field(kind, section, None, _KIND_MEANINGS[kind]) for kind, section in KINDS.items()),
        Field(
            "canary",
            CANARY,
            None,
            "One instance that tries another `agent` section, and is not restarted meanwhile: how the control plane "
            "applies a config to one instance first.",
        ),
    ),
    checks=(_check_kind, _check_completes, _check_scaled, _check_canary),
    elsewhere={
        **{each.name: "it belongs in `process`" for each in PROCESS.fields},
        "strategy": "it belongs in `supervisor`",
        "intensity": "it belongs in `supervisor`",
        "children": "it belongs in `supervisor`",
        "type": "a child with `supervisor` is a supervisor, any other a worker",
        "replicas": "did you mean 'instances'?",
    },
)


def _supervisor() -> Section:
    return SUPERVISOR


_NESTED = Nested(_supervisor, part="/supervisor", depth=MAX_DEPTH)

SUPERVISOR_CHILD = Section(
    "supervisor child",
    (
        *_COMMON[:3],
        Field("shutdown", _SHUTDOWN, INFINITY, _SHUTDOWN_MEANING),
        *_COMMON[3:],
        Field("supervisor", _NESTED, REQUIRED, "The supervisor that this child is."),
    ),
    elsewhere={
        **{each.name: "a supervisor runs no process itself" for each in PROCESS.fields},
        **dict.fromkeys((*KINDS, "kind", "canary", "on_leak"), "a supervisor runs no process itself"),
        "instances": "only processes have instances",
        "success_exit_codes": "a supervisor has no exit code",
        **dict.fromkeys(
            ("strategy", "intensity", "period", "children", "stop", "auto_shutdown"),
            "it belongs in `supervisor`",
        ),
    },
)


@dataclass(frozen=True, slots=True)
class Child:
    """A worker or, with `supervisor`, a supervisor."""

    words: str = "child"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def read(self, value: Any, at: str, report: Report) -> Any:
        return _section_of(value).read(value, at, report)

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        kept = _section_of(value).sparse(value, human=human)
        kept.pop("kind", None)  # its section says it
        return kept

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {
            "if": {"required": ["supervisor"]},
            "then": SUPERVISOR_CHILD.schema(defs),
            "else": WORKER.schema(defs),
        }


def _section_of(value: Any) -> Section:
    return SUPERVISOR_CHILD if isinstance(value, Mapping) and "supervisor" in value else WORKER


def _check_siblings(values: dict[str, Any], at: str, report: Report) -> None:
    """OTP: ids are unique, a significant child is not permanent and its supervisor acts on it, a template stands alone."""
    children = [child for child in held(values, "children") or () if isinstance(child, dict)]
    seen: set[str] = set()
    for index, child in enumerate(children):
        below = f"{at}/children/{index}"
        child_id = held(child, "id")
        if child_id in seen:
            report.add(f"{below}/id", f"another child here is called {child_id!r}")
        if child_id is not None:
            seen.add(child_id)
        _check_significant(child, values, below, report)
    if held(values, "strategy") == "simple_one_for_one":
        _check_template(children, at, report)
    bound = held(values, "max_children")
    if bound is not None and held(values, "strategy") != "simple_one_for_one" and len(children) > bound:
        report.add(f"{at}/max_children", f"{len(children)} children stand here, more than {bound}")


def _check_significant(child: dict[str, Any], supervisor: dict[str, Any], at: str, report: Report) -> None:
    if held(child, "significant") is not True:
        return
    if held(supervisor, "auto_shutdown") == "never":
        report.add(
            f"{at}/significant",
            "a significant child needs `auto_shutdown` other than never in its supervisor",
        )
    if held(child, "restart") == "permanent":
        report.add(
            f"{at}/significant", "a permanent child is never significant: it does not end; write `restart`"
        )


def _check_template(children: list[dict[str, Any]], at: str, report: Report) -> None:
    if len(children) != 1:
        what = (
            f"a simple_one_for_one supervisor has exactly one child, the template: {len(children)} stand here"
        )
        report.add(f"{at}/children", what)
    for index, child in enumerate(children):
        if "instances" in child:
            report.add(
                f"{at}/children/{index}/instances", "instances of a template are started by `start_child`"
            )


SUPERVISOR: Section = Section(
    "supervisor",
    (
        Field(
            "strategy",
            Word(("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")),
            "one_for_one",
            "Who is restarted with a child that ended: nobody, all, those after it; or: all are of one template.",
        ),
        Field(
            "intensity", Count(0, 1_000_000), 3, "More restarts than this within `period` end the supervisor."
        ),
        Field("period", Duration(0.001, DAY_S), "5s", "The window of `intensity`."),
        Field(
            "auto_shutdown",
            Word(("never", "any_significant", "all_significant")),
            "never",
            "Whether it ends when one, or the last, of its significant children has ended.",
        ),
        Field(
            "stop",
            Word(("ordered", "parallel")),
            "ordered",
            "Children stop in reverse start order, or all at once.",
        ),
        Field(
            "max_children", Count(0, 1_000_000), None, "`start_child` past it is refused. Default: no bound."
        ),
        Field("children", ListOf(Child(), most=MAX_CHILDREN), [], "In start order."),
    ),
    checks=(_check_siblings,),
)


@dataclass(frozen=True, slots=True)
class Version:
    """The number of this format."""

    words: str = "`1`"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if self.accepts(value) and value == 1:
            return 1
        report.add(at, f"{shown(value)} is not a version this release reads: write 1")
        return INVALID

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"const": 1}


TREE = Section(
    "tree",
    (
        Field("version", Version(), REQUIRED, "Version of this format."),
        Field("tree", NAME_TEXT, REQUIRED, "Name of the tree."),
        Field("on_failure", ON_FAILURE, {}, "What happens when the root supervisor gives up."),
        Field("environment", ENVIRONMENT, {}, "Variables of every process of the tree."),
        Field(
            REPORT_ERRORS,
            Flag(),
            True,
            "Whether processes that say no other place report their errors to the tree's project.",
        ),
        Field("placement", PLACEMENT, {}, "Which nodes run it."),
        Field("rollout", ROLLOUT, {}, "How a new revision reaches them."),
        Field("supervisor", _NESTED, REQUIRED, "The root supervisor."),
    ),
    elsewhere={
        "children": "it belongs in `supervisor`",
        "name": "did you mean 'tree'?",
        **dict.fromkeys((each.name for each in PLACEMENT.fields), "it belongs in `placement`"),
        **dict.fromkeys((each.name for each in ROLLOUT.fields), "it belongs in `rollout`"),
    },
)
