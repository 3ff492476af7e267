"""The summary of one file: what other files need to know of it (see `project`)."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from supervision.audit.index import FUNCTIONS, FileIndex, FunctionNode, Scope
from supervision.audit.knowledge import BLOCKING_HTTP
from supervision.audit.names import Names
from supervision.audit.project import ClassSummary, FunctionSummary, ModuleSummary

# Done to an object whose class the file does not say, these count as care taken of it.
CARE = frozenset(
    {
        "acquire", "aclose", "add_done_callback", "cancel", "cleanup", "clear", "close", "communicate", "discard",
        "disconnect", "done", "pop", "popitem", "popleft",
        "exception", "is_alive", "join", "kill", "poll", "punsubscribe", "quit", "release", "result", "shutdown",
        "stop", "terminate", "unsubscribe", "wait", "wait_closed", "server_close", "with", "await",
    }
)  # fmt: skip
_ELEMENTS = frozenset({"values", "items", "pop", "popitem", "get", "popleft", "copy", "keys", "setdefault"})
_PASS_THROUGH = frozenset(
    {"list", "tuple", "sorted", "reversed", "set", "enumerate", "iter", "filter", "zip", "next"}
)
_LOOKERS = frozenset(
    {
        "print",
        "len",
        "isinstance",
        "id",
        "str",
        "repr",
        "bool",
        "hasattr",
        "type",
        "hash",
        "getattr",
        "format",
    }
)
_WAITS = frozenset({"wait", "waitpid", "wait3", "wait4", "waitid"})
_LIMITS = frozenset(
    {"task_time_limit", "task_soft_time_limit", "CELERY_TASK_TIME_LIMIT", "CELERYD_TASK_TIME_LIMIT",
     "CELERY_TASK_SOFT_TIME_LIMIT", "CELERYD_TASK_SOFT_TIME_LIMIT"}
)  # fmt: skip
# These use what they are given and leave it to its owner.
_BORROWING = frozenset(
    {
        "run_in_executor",
        "debug",
        "info",
        "warning",
        "error",
        "exception",
        "log",
        "wait_for",
        "format",
        "isinstance",
    }
)
_MAY_BLOCK = BLOCKING_HTTP | {"time.sleep"}


def summarise(index: FileIndex, names: Names, path: str) -> ModuleSummary:
    """Everything the project has to know of a file."""
    summary = ModuleSummary(module=index.module, path=path, stars=tuple(index.stars))
    _exports(index, names, summary)
    bodies = _bodies(index)
    for node, scope in index.scopes.items():
        if isinstance(node, ast.ClassDef):
            summary.classes[scope.qualname] = _class(names, node, scope)
        elif isinstance(node, FUNCTIONS):
            summary.functions[scope.qualname] = _function(
                index, names, node, scope, bodies.get(scope, _Body())
            )
    _attributes(index, names, summary)
    _verbs(index, names, summary)
    summary.kept_results = frozenset(_kept(index, names))
    summary.facts = frozenset(_facts(index, names))
    return summary


def _exports(index: FileIndex, names: Names, summary: ModuleSummary) -> None:
    for name, bindings in index.top.bindings.items():
        for binding in bindings:
            ref = names._bound(binding, name, index.top, 0)
            if ref and ref != f"{index.module}.{name}":
                summary.exports.setdefault(name, ref)


def _class(names: Names, node: ast.ClassDef, scope: Scope) -> ClassSummary:
    outer = scope.parent or scope
    bases = [names.ref(base.value if isinstance(base, ast.Subscript) else base, outer) for base in node.bases]
    functions = [
        name for name, bound in scope.bindings.items() if any(binding.kind == "function" for binding in bound)
    ]
    summary = ClassSummary(bases=tuple(base for base in bases if base), methods=frozenset(functions))
    for name, bindings in scope.bindings.items():
        for binding in bindings:
            ref = (
                names._bound(binding, name, scope, 0)
                if binding.kind in ("value", "annotation", "import")
                else None
            )
            if ref:
                summary.attributes.setdefault(name, ref)
    return summary


@dataclass(slots=True)
class _Body:
    """What a function's own statements contain."""

    returns: list[ast.Return] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)
    generator: bool = False


def _bodies(index: FileIndex) -> dict[Scope, _Body]:
    """The bodies of all functions, from the lists of the one walk."""
    found: dict[Scope, _Body] = {}
    for node in index.of(ast.Return):
        found.setdefault(index.scope_of(node), _Body()).returns.append(node)
    for call in index.of(ast.Call):
        found.setdefault(index.scope_of(call), _Body()).calls.append(call)
    for kind in (ast.Yield, ast.YieldFrom):
        for inner in index.of(kind):
            found.setdefault(index.scope_of(inner), _Body()).generator = True
    return found


def _function(
    index: FileIndex, names: Names, node: FunctionNode, scope: Scope, body: _Body
) -> FunctionSummary:
    outer = scope.parent or scope
    decorators = [
        names.ref(item.func if isinstance(item, ast.Call) else item, outer) or _spelling(item)
        for item in node.decorator_list
    ]
    returns: str | None = None
    fresh = False
    for given in body.returns if not body.generator else ():
        ref = names.ref(given.value, scope) if given.value is not None else None
        if given.value is not None and ref and ref != "builtins.bool()" and (returns is None or not fresh):
            returns = ref
            fresh = _is_fresh(given.value, scope)
    top = index.module.split(".", 1)[0]
    calls: set[str] = set()
    for call in body.calls if not scope.is_async else ():
        ref = names.ref(call.func, scope)
        if ref and (ref in _MAY_BLOCK or ref.startswith((f"{top}.", "requests", "urllib"))):
            calls.add(ref)
    annotated = (
        names.annotation(node.returns, outer) if node.returns is not None and not body.generator else None
    )
    return FunctionSummary(
        is_async=scope.is_async,
        returns=returns,
        annotated=annotated,
        fresh=fresh,
        locks=any(
            isinstance(call.func, ast.Attribute) and call.func.attr == "select_for_update"
            for call in body.calls
        ),
        decorators=tuple(decorators),
        calls=tuple(sorted(calls)),
        options=tuple(_options(node)),
    )


def _options(node: FunctionNode) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call):
            for item in decorator.keywords:
                if item.arg:
                    value = item.value
                    yield (
                        f"{item.arg}={value.value!r}"
                        if isinstance(value, ast.Constant)
                        else f"{item.arg}=..."
                    )


def _spelling(node: ast.expr) -> str:
    """The text of a decorator whose name the file does not bind."""
    target = node.func if isinstance(node, ast.Call) else node
    parts: list[str] = []
    while isinstance(target, ast.Attribute):
        parts.append(target.attr)
        target = target.value
    parts.append(target.id if isinstance(target, ast.Name) else "?")
    return ".".join(reversed(parts))


def _is_fresh(value: ast.expr, scope: Scope) -> bool:
    """Whether the returned value was made in this function (a call, or a local that only a call is bound to)."""
    if isinstance(value, ast.Await):
        value = value.value
    if isinstance(value, ast.Call):
        return True
    if isinstance(value, ast.Name):
        bindings = scope.bindings.get(value.id, [])
        return bool(bindings) and all(
            binding.kind == "value" and isinstance(binding.node, (ast.Call, ast.Await))
            for binding in bindings
        )
    return False


def _attributes(index: FileIndex, names: Names, summary: ModuleSummary) -> None:
    """What `self.x = ...` puts into a class."""
    assignments: list[ast.Assign | ast.AnnAssign] = [*index.of(ast.Assign), *index.of(ast.AnnAssign)]
    for node in assignments:
        scope = index.scope_of(node)
        pairs: list[tuple[ast.expr, ast.expr | None]] = []
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                if len(target.elts) == len(node.value.elts):
                    pairs += zip(target.elts, node.value.elts, strict=True)
            else:
                pairs.append((target, node.value))
        for target, value in pairs:
            if not isinstance(target, ast.Attribute):
                continue
            known = _class_behind(target.value, names, scope, summary)
            if known is None:
                continue
            ref = names.ref(value, scope) if value is not None else None
            if ref is None and isinstance(node, ast.AnnAssign):
                ref = names.annotation(node.annotation, scope)
            own = f"{names.own_class(target.value, scope)}().{target.attr}"
            if ref and ref != own:
                known.attributes.setdefault(target.attr, ref)


def _class_behind(node: ast.expr, names: Names, scope: Scope, summary: ModuleSummary) -> ClassSummary | None:
    """The class of this file whose attribute is meant by `node.attr`: through self, cls or the class's name."""
    dotted = names.own_class(node, scope)
    if dotted is None and isinstance(node, (ast.Name, ast.Attribute)):
        dotted = names.ref(node, scope)
    if dotted is None:
        return None
    dotted = dotted.removesuffix("()")
    prefix = f"{summary.module}." if summary.module else ""
    return summary.classes.get(dotted[len(prefix) :]) if dotted.startswith(prefix) else None


def source_attributes(node: ast.AST | None, depth: int = 0) -> Iterator[ast.Attribute]:
    """The attributes that a value may be, or be an element of: `self.x`, `list(self.x.values())`, `self.x[0] or y`."""
    if node is None or depth > 6:
        return
    if isinstance(node, ast.Attribute):
        yield node
    elif isinstance(node, (ast.Subscript, ast.Await, ast.Starred, ast.NamedExpr)):
        yield from source_attributes(node.value, depth + 1)
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in _ELEMENTS:
            yield from source_attributes(node.func.value, depth + 1)
        elif isinstance(node.func, ast.Name):
            if node.func.id == "getattr" and len(node.args) >= 2 and isinstance(node.args[1], ast.Constant):
                yield ast.Attribute(value=node.args[0], attr=str(node.args[1].value), ctx=ast.Load())
            elif node.func.id in _PASS_THROUGH:
                for argument in node.args:
                    yield from source_attributes(argument, depth + 1)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from source_attributes(value, depth + 1)
    elif isinstance(node, ast.IfExp):
        yield from source_attributes(node.body, depth + 1)
        yield from source_attributes(node.orelse, depth + 1)
    elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        for value in node.elts:
            yield from source_attributes(value, depth + 1)
    elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
        yield from source_attributes(node.generators[0].iter, depth + 1)


def _verbs(index: FileIndex, names: Names, summary: ModuleSummary) -> None:
    """What is done to attributes: methods called or handed on, `with`, `await`, returned, passed."""
    for node in index.of(ast.Attribute):
        scope = index.scope_of(node)
        if isinstance(node.ctx, ast.Load):
            for verb in _uses_of(index, node):
                _note(index, names, summary, scope, node, verb)
        base = node.value
        if isinstance(base, ast.Name) and isinstance(node.ctx, ast.Load):
            for source, inside in _behind_name(index, base, scope):
                _note(index, names, summary, inside, source, node.attr)
        elif not isinstance(base, (ast.Name, ast.Attribute)):
            for source in source_attributes(base):
                _note(index, names, summary, scope, source, node.attr)
    for kind in (ast.Call, ast.With, ast.AsyncWith, ast.Return, ast.Await):
        for user in index.of(kind):
            scope = index.scope_of(user)
            for value, verb in _name_uses(user):
                for source, inside in _behind_name(index, value, scope):
                    _note(index, names, summary, inside, source, verb)


def _name_uses(node: ast.AST) -> Iterator[tuple[ast.Name, str]]:
    """Names that a node enters, returns, awaits or passes on."""
    if isinstance(node, ast.Call):
        if _only_borrows(node):
            return
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        yield from ((value, "passed") for value in values if isinstance(value, ast.Name))
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        yield from (
            (item.context_expr, "with") for item in node.items if isinstance(item.context_expr, ast.Name)
        )
    elif isinstance(node, (ast.Return, ast.Await)) and isinstance(node.value, ast.Name):
        yield node.value, "returned" if isinstance(node, ast.Return) else "await"


def _behind_name(index: FileIndex, name: ast.Name, scope: Scope) -> Iterator[tuple[ast.Attribute, Scope]]:
    """The attributes that a local name stands for."""
    owner = scope.lookup(name.id)
    if owner is None or owner.kind != "function":
        return
    for binding in owner.bindings[name.id]:
        if binding.kind in ("value", "loop", "unpack", "with"):
            inside = index.scope_of(binding.at)
            yield from ((source, inside) for source in source_attributes(binding.node))


def _uses_of(index: FileIndex, node: ast.Attribute) -> Iterator[str]:
    up = index.parent.get(node)
    if isinstance(up, ast.Attribute):
        yield up.attr
    elif isinstance(up, ast.withitem):
        yield "with"
    elif isinstance(up, ast.Await):
        yield "await"
    elif isinstance(up, (ast.Return, ast.Yield)):
        yield "returned"
    elif isinstance(up, ast.Call) and up.func is not node:
        if not _only_borrows(up):
            yield "passed"
    elif isinstance(up, (ast.keyword, ast.Starred)):
        outer = index.parent.get(up)
        if not isinstance(outer, ast.Call) or not _only_borrows(outer):
            yield "passed"
    elif isinstance(up, ast.Delete):
        yield "del"


def _only_borrows(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in _LOOKERS | _PASS_THROUGH
    return isinstance(call.func, ast.Attribute) and call.func.attr in _BORROWING


def _note(
    index: FileIndex, names: Names, summary: ModuleSummary, scope: Scope, node: ast.Attribute, verb: str
) -> None:
    known = _class_behind(node.value, names, scope, summary)
    if known is not None:
        known.verbs.setdefault(node.attr, set()).add(verb)
    elif verb in CARE and names.own_class(node.value, scope) is None:
        summary.foreign.setdefault(node.attr, set()).add(verb)


def _kept(index: FileIndex, names: Names) -> Iterator[str]:
    """Functions whose result is stored on an object or in a container."""
    for node in index.of(ast.Assign):
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call) and any(
            isinstance(t, (ast.Attribute, ast.Subscript)) for t in node.targets
        ):
            ref = names.ref(value.func)
            if ref:
                yield ref


def _facts(index: FileIndex, names: Names) -> Iterator[str]:
    """What is true of the whole program because some file says so."""
    for node in index.of(ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _WAITS and (names.ref(node.func) or "").startswith("os."):
            yield "waitpid"
        if any(item.arg in _LIMITS for item in node.keywords) and called in ("Celery", "update", "config"):
            yield "time-limit"
    assignments: list[ast.Assign | ast.AnnAssign] = [*index.of(ast.Assign), *index.of(ast.AnnAssign)]
    for given in assignments:
        for target in given.targets if isinstance(given, ast.Assign) else [given.target]:
            name = target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", "")
            if name in _LIMITS:
                yield "time-limit"
