"""The handles that a file makes: which constructor or factory calls give a thread, process, pool, timer or file."""

import ast
from dataclasses import dataclass

from supervision.audit import knowledge
from supervision.audit.handles import Fate
from supervision.audit.index import FunctionNode, Scope
from supervision.audit.view import View

_KINDS: tuple[tuple[str, frozenset[str]], ...] = (
    ("timer", knowledge.TIMERS),
    ("thread", knowledge.THREADS),
    ("process", knowledge.MP_PROCESSES),
    ("popen", knowledge.POPEN),
    ("executor", knowledge.EXECUTORS),
)
# Said of a handle without taking care of it.
NEUTRAL = frozenset(
    {
        "=",
        "daemon=",
        "start",
        "daemon",
        "setDaemon",
        "name",
        "setName",
        "getName",
        "ident",
        "native_id",
        "run",
        "pid",
        "authkey",
        "isDaemon",
    }
)


@dataclass(frozen=True, slots=True)
class Made:
    """A call that makes a handle."""

    call: ast.Call
    kind: str
    cls: str
    by_factory: bool
    fate: Fate
    started: bool  # a thread, timer or process is started, here or through the attribute that holds it

    @property
    def cared_for(self) -> set[str]:
        """What is done to it beyond starting and naming it."""
        return set(self.fate.methods) - NEUTRAL


def kind_of(view: View, cls: str) -> str | None:
    """The kind of handle a class makes."""
    for kind, classes in _KINDS:
        if cls in classes:
            return kind
    if view.project.class_of(cls) is None:
        return None
    for kind, classes in _KINDS:
        if view.project.is_a(cls, classes):
            return kind
    return None


def made(view: View) -> list[Made]:
    """Every handle that the file makes, computed once."""
    known = view.cache.get("made")
    if isinstance(known, list):
        return known
    found: list[Made] = []
    for call in view.index.of(ast.Call):
        cls, by_factory = view.makes(call)
        kind = kind_of(view, cls) if cls else None
        if cls is not None and kind is not None and not _is_base_init(call):
            fate = view.fate(call)
            started = (
                kind in ("popen", "executor")
                or fate.does("start")
                or "start" in view.handles.slot_verbs(fate)
            )
            found.append(Made(call, kind, cls, by_factory, fate, started))
    view.cache["made"] = found
    return found


def _is_base_init(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "__init__"


def definition(view: View, node: ast.AST | None, scope: Scope) -> tuple[FunctionNode, Scope] | None:
    """The function of this file that an expression names: a local or module function, or a method of the own class."""
    if node is None:
        return None
    if isinstance(node, ast.Call) and node.args and view.callee(node) is not None:
        return definition(view, node.args[0], scope)
    ref = view.canonical(node, scope)
    if ref is None:
        return None
    for maker, inner in view.index.scopes.items():
        if inner.kind == "function" and view.names.dotted(inner) == ref and isinstance(maker, FunctionNode):
            return maker, inner
    return None


def targets(view: View) -> list[tuple[Made, FunctionNode, Scope]]:
    """The threads of the file with the function of this file that they run."""
    known = view.cache.get("targets")
    if isinstance(known, list):
        return known
    found: list[tuple[Made, FunctionNode, Scope]] = []
    for item in made(view):
        if item.kind not in ("thread", "timer") or item.by_factory:
            continue
        given = next((word.value for word in item.call.keywords if word.arg in ("target", "function")), None)
        if given is None and len(item.call.args) > 1:
            given = item.call.args[1]
        body = definition(view, given, view.scope(item.call))
        if body is not None:
            found.append((item, *body))
    view.cache["targets"] = found
    return found


def is_daemon(item: Made) -> bool:
    """Whether the thread or process is made or set a daemon."""
    for word in item.call.keywords:
        if word.arg == "daemon" and isinstance(word.value, ast.Constant) and word.value.value:
            return True
    return item.fate.does("setDaemon") or item.fate.does("daemon=")
