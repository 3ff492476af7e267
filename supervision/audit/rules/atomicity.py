"""Pattern 7: a value read, changed and written back in steps that others can come between."""

import ast

from supervision.audit.finding import Confidence
from supervision.audit.index import Scope, walk
from supervision.audit.knowledge import DJANGO_MODELS
from supervision.audit.rules import on_call, on_method, on_node
from supervision.audit.rules.blocking import through_manager
from supervision.audit.rules.growth import is_redis
from supervision.audit.rules.races import same_load
from supervision.audit.view import (
    HIGH,
    LOW,
    MEDIUM,
    View,
    argument,
    calls_in,
    constant,
    function_node,
    is_true,
    keyword,
    method,
    receiver,
    same,
    spelled,
)

_STATE_WORDS = ("state", "status", "checkpoint", "registry", "index", "session", "store", "history", "progress",
                "config", "settings", "cache", "queue", "offset", "position", "cursor", "db", "journal")  # fmt: skip
_MOVES = frozenset({"os.replace", "os.rename", "shutil.move", "pathlib.Path.replace", "pathlib.Path.rename"})


@on_node(ast.AugAssign)
@on_node(ast.Assign)
def orm_read_modify_write(view: View, node: ast.AugAssign | ast.Assign) -> None:
    """SUP701: `row.n += 1` (or `row.n = row.n + 1`) and then `row.save()`, the row not locked and no F()."""
    if isinstance(node, ast.AugAssign):
        target: ast.expr = node.target
        value = node.value
    else:
        target, value = node.targets[0], node.value
        if not isinstance(value, ast.BinOp) or not any(
            same_load(side, target) for side in (value.left, value.right)
        ):
            return
    scope = view.function(node)
    if scope is None or not isinstance(target, ast.Attribute) or view.is_test(node):
        return
    row = target.value
    saves = [
        call
        for call in calls_in(view.body(scope))
        if method(call) in ("save", "asave") and same(receiver(call), row)
    ]
    if not any(call.lineno >= node.lineno for call in saves) or any(
        spelled(part) == "F" for part in walk(value)
    ):
        return
    sure = _row_confidence(view, row, scope)
    if sure is None or any(method(call) == "select_for_update" for call in calls_in(view.body(scope))):
        return
    view.report("SUP701", node, f"{ast.unparse(target)} is read, changed and saved", sure)


@on_method("update", "aupdate")
def update_from_row(view: View, call: ast.Call) -> None:
    """SUP701: `query.update(n=row.n + 1)`: the sum is computed here, and not in the database."""
    owner = receiver(call)
    if owner is None or not through_manager(owner) or view.is_test(call):
        return
    for item in call.keywords:
        if isinstance(item.value, ast.BinOp) and any(
            isinstance(side, ast.Attribute) and side.attr == item.arg
            for side in (item.value.left, item.value.right)
        ):
            view.report("SUP701", call, f"{item.arg} is computed from a row that was read before")
            return


def _row_confidence(view: View, row: ast.expr, scope: Scope) -> Confidence | None:
    """How sure it is that an object is a database row that nobody holds; None when it is known to be otherwise."""
    if _comes_locked(view, row, scope):
        return None
    found = view.instance(row)
    if found is not None and view.project.is_a(found, DJANGO_MODELS):
        return HIGH
    if isinstance(row, ast.Name):
        owner = scope.lookup(row.id)
        for binding in owner.bindings[row.id] if owner is not None else ():
            node = binding.node.value if isinstance(binding.node, ast.Await) else binding.node
            if isinstance(node, ast.Call) and (through_manager(node) or spelled(node) == "get_object_or_404"):
                return HIGH
            if binding.kind == "loop" and node is not None and through_manager(node):
                return HIGH
        if (
            found is None
            and owner is not None
            and any(item.kind == "parameter" for item in owner.bindings[row.id])
        ):
            return MEDIUM if _uses_django(view) else None
    return None


def _comes_locked(view: View, row: ast.expr, scope: Scope, deep: bool = True) -> bool:
    """Whether a helper of the project fetched the row with select_for_update, here or in every caller in this file."""
    if not isinstance(row, ast.Name):
        return False
    owner = scope.lookup(row.id)
    bindings = owner.bindings[row.id] if owner is not None else ()
    for binding in bindings:
        node = binding.node.value if isinstance(binding.node, ast.Await) else binding.node
        if isinstance(node, ast.Call):
            helper = view.function_called(node)
            if helper is None or not helper.locks:
                return False
        elif binding.kind == "parameter" and deep and owner is not None:
            if not _locked_by_callers(view, row.id, owner):
                return False
        else:
            return False
    return bool(bindings)


def _locked_by_callers(view: View, name: str, scope: Scope) -> bool:
    function = function_node(scope)
    if function is None or not function.name.startswith("_"):
        return False
    given = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
    calls = [call for call in view.index.of(ast.Call) if spelled(call.func) == function.name]
    for call in calls:
        passed = argument(call, given.index(name), name) if name in given else keyword(call, name)
        outer = view.function(call)
        if passed is None or outer is None:
            return False
        if any(method(other) == "select_for_update" for other in calls_in(view.body(outer))):
            continue
        if not _comes_locked(view, passed, outer, deep=False):
            return False
    return bool(calls)


def _uses_django(view: View) -> bool:
    return any(
        binding.dotted.startswith("django.")
        for bindings in view.index.top.bindings.values()
        for binding in bindings
        if binding.kind == "import"
    )


@on_method("set", "hset")
def redis_get_then_set(view: View, call: ast.Call) -> None:
    """SUP702: the value that is set was computed from a get of the same key."""
    owner = receiver(call)
    scope = view.function(call)
    if owner is None or scope is None or len(call.args) < 2 or not is_redis(view, owner):
        return
    body = view.body(scope)
    if any(
        method(other) in ("watch", "transaction", "lock", "register_script", "eval")
        for other in calls_in(body)
    ):
        return
    wanted = "hget" if method(call) == "hset" else "get"
    reads = [other for other in calls_in(body) if method(other) == wanted and same(receiver(other), owner)
             and other.args and same(other.args[0], call.args[0])]  # fmt: skip
    for read in reads:
        if _feeds(view, read, call.args[-1]):
            view.report("SUP702", call, f"The value comes from a {wanted} of the same key")
            return


def _feeds(view: View, read: ast.Call, value: ast.expr, depth: int = 0) -> bool:
    """Whether a value is computed from what `read` gave, through local names."""
    if depth > 4:
        return False
    for node in walk(value):
        if node is read:
            return True
        if isinstance(node, ast.Name):
            owner = view.scope(value).lookup(node.id)
            if owner is not None and owner.kind == "function":
                for binding in owner.bindings[node.id]:
                    if (
                        isinstance(binding.node, ast.expr)
                        and binding.kind in ("value", "augmented")
                        and _feeds(view, read, binding.node, depth + 1)
                    ):
                        return True
    return False


@on_method("setnx", "set")
def setnx_then_expire(view: View, call: ast.Call) -> None:
    """SUP703: a lock key made first and given its expiry in a second command."""
    scope = view.function(call)
    if not call.args or scope is None:
        return
    if method(call) == "set" and (
        not is_true(keyword(call, "nx"))
        or any(item.arg in ("ex", "px", "exat", "pxat") for item in call.keywords)
    ):
        return
    for other in calls_in(view.body(scope)):
        if (
            method(other) in ("expire", "pexpire", "expireat")
            and same(receiver(other), receiver(call))
            and other.args
            and same(other.args[0], call.args[0])
        ):
            view.report("SUP703", call, "A crash before the expire leaves the key for ever")
            return


# ------------------------------------------------------------------------------------------------- state files


@on_call("json.dump", "pickle.dump", "yaml.dump", "yaml.safe_dump", "marshal.dump", "toml.dump")
def state_dumped_in_place(view: View, call: ast.Call) -> None:
    """SUP704: dumped into a file that was opened for writing under its own name."""
    target = argument(call, 1, "fp") or argument(call, 1, "file") or argument(call, 1, "stream")
    opened = _opened(view, target)
    if opened is not None:
        by_path = view.callee(opened) == "pathlib.Path.open" or not opened.args
        _report_in_place(view, call, opened, receiver(opened) if by_path else opened.args[0])


def _opened(view: View, node: ast.expr | None) -> ast.Call | None:
    """The `open(..., "w")` behind a file object."""
    if isinstance(node, ast.Name):
        owner = view.scope(node).lookup(node.id)
        for binding in owner.bindings[node.id] if owner is not None else ():
            if isinstance(binding.node, ast.Call):
                return _opened(view, binding.node)
        return None
    if not isinstance(node, ast.Call) or view.callee(node) not in ("builtins.open", "pathlib.Path.open"):
        return None
    mode = constant(argument(node, 0 if view.callee(node) == "pathlib.Path.open" else 1, "mode"))
    return node if isinstance(mode, str) and mode.startswith("w") else None


@on_method("write_text", "write_bytes")
def state_written_in_place(view: View, call: ast.Call) -> None:
    """SUP704: `path.write_text(json.dumps(...))`."""
    if (
        call.args
        and isinstance(call.args[0], ast.Call)
        and spelled(call.args[0]) in ("dumps", "safe_dump", "dump")
    ):
        _report_in_place(view, call, call, receiver(call))


def _report_in_place(view: View, call: ast.Call, place: ast.Call, path: ast.expr | None) -> None:
    scope = view.function(call)
    if path is None or scope is None or view.is_test(call):
        return
    text = ast.unparse(path).lower()
    where = f"{text} {scope.qualname.lower()}"
    if (
        "tmp" in text or "temp" in text or not any(word in where for word in _STATE_WORDS)
    ) and not _read_back(view, path):
        return
    if any(
        view.callee(other) in _MOVES or method(other) in ("replace", "rename")
        for other in calls_in(view.body(scope))
    ):
        return
    if "tmp" in text or "temp" in text:
        return
    view.report("SUP704", place, f"{ast.unparse(path)} is rewritten in place", LOW)


def _read_back(view: View, path: ast.expr) -> bool:
    """Whether the file reads the same path elsewhere: then it is state."""
    for call in view.index.of(ast.Call):
        if view.callee(call) == "builtins.open" and call.args and same(call.args[0], path):
            mode = constant(argument(call, 1, "mode"))
            if mode is None or (isinstance(mode, str) and mode.startswith("r")):
                return True
        if method(call) in ("read_text", "read_bytes") and same(receiver(call), path):
            return True
    return False
