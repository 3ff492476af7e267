"""What the code can start: every place that makes a thread, process, pool or task, whether or not a rule reports it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from supervision.audit import knowledge
from supervision.audit.catalogue import RULES
from supervision.audit.finding import Finding
from supervision.audit.rules.making import made
from supervision.audit.view import View, method, receiver

KINDS = ("process", "thread", "pool", "task")
_OF_HANDLE = {
    "timer": "thread",
    "thread": "thread",
    "process": "process",
    "popen": "process",
    "executor": "pool",
}
_CALLS = {
    "_thread.start_new_thread": "thread",
    "asyncio.to_thread": "thread",
    "asyncio.create_task": "task",
    "asyncio.ensure_future": "task",
    "asyncio.run_coroutine_threadsafe": "task",
    "asyncio.create_subprocess_exec": "process",
    "asyncio.create_subprocess_shell": "process",
    **{
        f"subprocess.{name}": "process" for name in ("run", "call", "check_call", "check_output", "getoutput")
    },
    **{
        f"os.{name}": "process"
        for name in ("fork", "forkpty", "posix_spawn", "posix_spawnp", "popen", "system")
    },
    **{f"os.spawn{name}": "process" for name in ("l", "le", "lp", "lpe", "v", "ve", "vp", "vpe")},
    "pty.fork": "process",
}
_PATTERNS = frozenset({1, 12})
"""Of rules that say whether somebody looks after what was started: unsupervised processes, improper structure."""


@dataclass(frozen=True, slots=True)
class Spawn:
    """One place. `state`: `kept` when no rule has anything against it, `reported`, or `suppressed`."""

    kind: str
    path: str
    line: int
    symbol: str | None
    what: str
    state: str


def started_here(view: View, kept: list[Finding]) -> list[Spawn]:
    """The places of one file, by line, tests left out. `kept`: its findings that are not suppressed."""
    reported = {item.line for item in kept if RULES[item.rule].pattern in _PATTERNS}
    known = {item.line for item in view.findings if RULES[item.rule].pattern in _PATTERNS}
    found: dict[tuple[int, int], Spawn] = {}
    for call, kind, what in _places(view):
        if view.is_test(call):
            continue
        state = "reported" if call.lineno in reported else "suppressed" if call.lineno in known else "kept"
        found[call.lineno, call.col_offset] = Spawn(
            kind, view.path, call.lineno, view.symbol(call), what, state
        )
    return [found[at] for at in sorted(found)]


def _places(view: View) -> Iterator[tuple[ast.Call, str, str]]:
    for item in made(view):
        yield item.call, _OF_HANDLE[item.kind], item.cls
    for call in view.index.of(ast.Call):
        name = view.callee(call)
        if name in _CALLS:
            yield call, _CALLS[name], name
        elif method(call) in ("create_task", "start_soon"):
            owner = receiver(call)
            if owner is not None and view.is_instance(owner, knowledge.TASK_GROUPS | knowledge.LOOPS):
                yield call, "task", name or f"create_task of {view.instance(owner)}"
