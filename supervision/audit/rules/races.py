"""Pattern 6: check, then act, with a gap between."""

import ast
from collections.abc import Iterator

from supervision.audit.index import FUNCTIONS, Scope, walk
from supervision.audit.knowledge import LOCKS, MP_PROCESSES, THREADS
from supervision.audit.rules import on_method, on_node
from supervision.audit.rules.blocking import through_manager
from supervision.audit.rules.growth import is_redis
from supervision.audit.rules.making import targets
from supervision.audit.rules.sends import spelled_types
from supervision.audit.view import (
    MEDIUM,
    View,
    calls_in,
    constant,
    exits,
    function_node,
    keyword,
    method,
    receiver,
    same,
    spelled,
)

_PATH_CHECKS = frozenset(
    {"os.path.exists", "os.path.isfile", "os.path.isdir", "os.path.lexists", "os.path.islink"}
)
_PATH_METHODS = frozenset({"exists", "is_file", "is_dir", "is_symlink"})
_PATH_ACTS = frozenset(
    {"os.makedirs", "os.mkdir", "os.remove", "os.unlink", "os.rmdir", "os.rename", "os.replace", "os.symlink",
     "os.link", "os.mkfifo", "shutil.rmtree", "shutil.move", "os.removedirs"}
)  # fmt: skip
_PATH_ACT_METHODS = frozenset({"mkdir", "unlink", "rmdir", "rename", "symlink_to", "touch"})
_FILE_ERRORS = frozenset(
    {
        "OSError",
        "IOError",
        "EnvironmentError",
        "FileExistsError",
        "FileNotFoundError",
        "Exception",
        "BaseException",
    }
)


# ----------------------------------------------------------------------------------------- caches and counters


@on_method("set")
def cache_check_then_set(view: View, call: ast.Call) -> None:
    """SUP601: a marker (a constant or a time) set where a get found nothing; a computed value is only cached."""
    owner = receiver(call)
    if owner is None or len(call.args) < 2 or not _is_marker(view, call.args[1]):
        return
    if keyword(call, "nx") is not None or not (is_redis(view, owner) or _is_cache(view, owner)):
        return
    for test in _tests_around(view, call):
        for found in _gets_in(view, test):
            if same(receiver(found), owner) and found.args and same(found.args[0], call.args[0]):
                view.report("SUP601", call, "Two callers can both find the key missing and both set it")
                return


def _is_marker(view: View, node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name):  # who holds it, as the caller said
        owner = view.scope(node).lookup(node.id)
        kinds = {binding.kind for binding in owner.bindings[node.id]} if owner is not None else set()
        return kinds == {"parameter"}
    if isinstance(node, ast.Attribute):
        return view.names.own_class(node.value, view.scope(node)) is not None
    return isinstance(node, ast.Call) and spelled(node) in (
        "time",
        "now",
        "monotonic",
        "uuid4",
        "gethostname",
        "getpid",
    )


def _is_cache(view: View, node: ast.expr) -> bool:
    found = view.canonical(node)
    if found is not None:
        return found.startswith("django.core.cache")
    return spelled(node).lower().endswith("cache")


def _tests_around(view: View, node: ast.AST) -> Iterator[ast.expr]:
    """Conditions that `node` depends on: of the ifs around it, and of earlier ifs of its block that leave."""
    for child, up in view.index.climb(node):
        if isinstance(up, (*FUNCTIONS, ast.ClassDef, ast.Module)):
            blocks = [up.body]
        elif isinstance(up, ast.If):
            yield up.test
            blocks = [up.body, up.orelse]
        else:
            blocks = [
                block for field in ("body", "orelse") if isinstance(block := getattr(up, field, None), list)
            ]
        for block in blocks:
            if any(child is item for item in block):
                for earlier in block:
                    if earlier is child:
                        break
                    if isinstance(earlier, ast.If) and exits(earlier.body):
                        yield earlier.test
        if isinstance(up, (*FUNCTIONS, ast.ClassDef)):
            return


def _gets_in(view: View, test: ast.expr) -> Iterator[ast.Call]:
    """Calls of get, also behind a name that the condition tests."""
    for node in walk(test):
        if isinstance(node, ast.Call) and method(node) in ("get", "exists", "has_key"):
            yield node
        elif isinstance(node, ast.Name):
            owner = view.scope(test).lookup(node.id)
            for binding in owner.bindings[node.id] if owner is not None else ():
                value = binding.node.value if isinstance(binding.node, ast.Await) else binding.node
                if isinstance(value, ast.Call) and method(value) in ("get", "exists"):
                    yield value


@on_method("decr", "decrby", "decrement")
def count_then_undo(view: View, call: ast.Call) -> None:
    """SUP602: an increment of the same key, a comparison of what it gave, and this decrement."""
    scope = view.function(call)
    if scope is None or not call.args:
        return
    for other in calls_in(view.body(scope)):
        if method(other) not in ("incr", "incrby", "increment") or not other.args:
            continue
        if not same(receiver(other), receiver(call)) or not same(other.args[0], call.args[0]):
            continue
        names = {name for _, name in view.fate(other).names}
        for test in _tests_around(view, call):
            for node in walk(test):
                if node is other or (isinstance(node, ast.Name) and node.id in names):
                    view.report("SUP602", call, "The count was raised, compared and is taken back here")
                    return


# -------------------------------------------------------------------------------------------------- databases


@on_method("create", "save", "bulk_create", "acreate", "asave", "insert", "add")
def exists_then_create(view: View, call: ast.Call) -> None:
    """SUP603: created where a query for the same thing found nothing, and no IntegrityError is awaited."""
    owner = receiver(call)
    if owner is None or (method(call) in ("insert", "add") and not through_manager(owner)):
        return
    root = _root(view, call)
    if root is None or _guarded(view, call, {"IntegrityError", "UniqueViolation"}):
        return
    if "lock" in ast.dump(ast.Tuple(elts=list(view.withs(call)), ctx=ast.Load())).lower():
        return
    for test in _tests_around(view, call):
        for query in _queries_in(view, test):
            if _root_text(query) == root:
                view.report("SUP603", call, "Two callers can both find nothing and both create it")
                return


def _queries_in(view: View, test: ast.expr) -> Iterator[ast.expr]:
    for node in walk(test):
        if isinstance(node, ast.Call) and method(node) in (
            "exists",
            "count",
            "first",
            "aexists",
            "acount",
            "afirst",
        ):
            yield node
        elif isinstance(node, ast.Name):
            owner = view.scope(test).lookup(node.id)
            for binding in owner.bindings[node.id] if owner is not None else ():
                value = binding.node.value if isinstance(binding.node, ast.Await) else binding.node
                if isinstance(value, ast.Call) and method(value) in (
                    "exists",
                    "count",
                    "first",
                    "aexists",
                    "afirst",
                ):
                    yield value


def _root(view: View, call: ast.Call) -> str | None:
    """What a create or save is about: the text before the manager, or the class of the saved instance."""
    owner = receiver(call)
    if owner is None:
        return None
    if method(call) not in ("save", "asave"):
        return _root_text(call)
    if isinstance(owner, ast.Call):
        return ast.unparse(owner.func)
    if isinstance(owner, ast.Name):
        scope = view.scope(owner).lookup(owner.id)
        for binding in scope.bindings[owner.id] if scope is not None else ():
            if isinstance(binding.node, ast.Call):
                return ast.unparse(binding.node.func)
    return None


def _root_text(node: ast.expr) -> str:
    """`Model` of `Model.objects.filter(...).exists()`, `q` of `q.exists()`."""
    current: ast.AST = node
    while True:
        if isinstance(current, ast.Call):
            current = current.func
        elif isinstance(current, ast.Attribute):
            if current.attr in ("objects", "_default_manager", "_base_manager"):
                return ast.unparse(current.value)
            inner = current.value
            if isinstance(inner, ast.Name) or (isinstance(inner, ast.Attribute) and not _has_call(inner)):
                if isinstance(inner, ast.Attribute) and inner.attr in ("objects", "_default_manager"):
                    return ast.unparse(inner.value)
                return ast.unparse(inner)
            current = inner
        else:
            return ast.unparse(current) if isinstance(current, ast.expr) else ""


def _has_call(node: ast.AST) -> bool:
    return any(isinstance(item, ast.Call) for item in walk(node))


def _guarded(view: View, node: ast.AST, errors: set[str] | frozenset[str]) -> bool:
    """Whether a try around the place, or a suppress, expects one of these errors."""
    for attempt, part in view.branches(node):
        if part == "body" and any(
            handler.type is None or spelled_types(handler) & errors for handler in attempt.handlers
        ):
            return True
    return any(
        isinstance(item, ast.Call)
        and spelled(item) == "suppress"
        and {spelled(arg) for arg in item.args} & errors
        for item in view.withs(node)
    )


# ------------------------------------------------------------------------------------------------------- paths


@on_node(ast.If)
def path_check_then_use(view: View, node: ast.If) -> None:
    """SUP604: the act is reported, or the check when the act stands further down."""
    if view.is_test(node):
        return
    for check, path in _path_checks(view, node.test):
        if _asks_for_kind(view, check, node, path):
            continue
        positive = not _negated(view, check, node.test)
        blocks: list[list[ast.stmt]] = [node.body]
        if exits(node.body):
            block = view.index.block(node)
            blocks.append(block[next(i for i, item in enumerate(block) if item is node) + 1 :])
        else:
            blocks.append(node.orelse)
        for position, block in enumerate(blocks):
            act = _path_act(view, block, path, exists=positive if position == 0 else not positive)
            if act is not None:
                place = act if act.lineno - node.lineno <= 2 else node.test
                view.report(
                    "SUP604", place, f"{ast.unparse(path)} is checked first, then {spelled(act)} is called"
                )
                return


def _path_checks(view: View, test: ast.expr) -> Iterator[tuple[ast.Call, ast.expr]]:
    for node in walk(test):
        if isinstance(node, ast.Call):
            if view.callee(node) in _PATH_CHECKS and node.args:
                yield node, node.args[0]
            elif method(node) in _PATH_METHODS and not node.args:
                owner = receiver(node)
                found = view.instance(owner) if owner is not None else None
                if owner is not None and found in (None, "pathlib.Path"):
                    yield node, owner


def _asks_for_kind(view: View, check: ast.Call, node: ast.If, path: ast.expr) -> bool:
    """Whether the check tells what the path is, and not whether it is there: a link, or a choice of how to remove."""
    asked = (view.callee(check) or method(check) or "").rsplit(".", 1)[-1]
    if asked in ("islink", "is_symlink"):
        return True
    if asked not in ("isdir", "isfile", "is_dir", "is_file"):
        return False
    return _path_act(view, node.body, path, exists=True) is not None and (
        _path_act(view, node.orelse, path, exists=True) is not None
    )


def _negated(view: View, check: ast.AST, test: ast.expr) -> bool:
    for _, up in view.index.climb(check):
        if isinstance(up, ast.UnaryOp) and isinstance(up.op, ast.Not):
            return True
        if up is test or isinstance(up, ast.stmt):
            return False
    return False


def _path_act(view: View, block: list[ast.stmt], path: ast.expr, *, exists: bool) -> ast.Call | None:
    """The first call of a block that makes the path (when it was absent) or removes it (when it was there)."""
    for call in calls_in(block):
        callee = view.callee(call)
        if callee in _PATH_ACTS and call.args and same(call.args[0], path):
            verb = (callee or "").rsplit(".", 1)[-1]
        elif method(call) in _PATH_ACT_METHODS and same(receiver(call), path):
            verb = method(call) or ""
        else:
            continue
        makes = verb in ("makedirs", "mkdir", "symlink", "link", "mkfifo", "touch", "symlink_to")
        if makes == exists or any(
            item.arg in ("exist_ok", "missing_ok", "ignore_errors", "onerror", "onexc")
            and constant(item.value) is not False
            for item in call.keywords
        ):
            continue
        if len(call.args) > 1 and verb == "rmtree":
            continue
        if not _guarded(view, call, _FILE_ERRORS):
            return call
    return None


# --------------------------------------------------------------------------------------------- threads' state


def holds_lock(view: View, node: ast.AST) -> bool:
    """Whether a lock is held around the place: by its class, or, of an unknown object, by what it is called."""
    for item in view.withs(node):
        if view.is_instance(item, LOCKS):
            return True
        name = spelled(item).lower()
        if any(word in name for word in ("lock", "mutex", "cond", "sem", "guard", "not_empty", "not_full")):
            return True
    scope = view.function(node)
    return scope is not None and any(method(call) == "acquire" for call in calls_in(view.body(scope)))


@on_node(ast.ClassDef)
def shared_state(view: View, node: ast.ClassDef) -> None:
    """SUP605: `self.n += 1` without a lock in what a thread runs, when others write it too."""
    scope = view.index.scopes[node]
    if view.is_test(node):
        return
    running = _run_by_threads(view, scope)
    if not running:
        return
    writes = [write for inner in scope.below() for write in _changes(view, inner)]
    for place, name, inner in writes:
        if inner.name not in running or holds_lock(view, place):
            continue
        several = running[inner.name]
        others = [other for other, same_name, where in writes if same_name == name and where is not inner
                  and where.name not in ("__init__", "__new__") and not holds_lock(view, other)]  # fmt: skip
        if several or others:
            view.report("SUP605", place, f"self.{name} is changed here and by others without a lock", MEDIUM)


def _run_by_threads(view: View, owner: Scope) -> dict[str, bool]:
    """Methods of the class that threads run, and whether several threads run the same one."""
    found: dict[str, bool] = {}
    if view.project.is_a(view.names.dotted(owner), THREADS) and not view.project.is_a(
        view.names.dotted(owner), MP_PROCESSES
    ):
        found["run"] = False
    for item, _, scope in targets(view):
        if scope.parent is owner:
            repeated = view.loop(item.call) is not None or any(
                isinstance(up, (ast.ListComp, ast.GeneratorExp, ast.SetComp))
                for _, up in view.index.climb(item.call)
            )
            found[scope.name] = repeated or scope.name in found
    calls = {inner.name: inner for inner in owner.children if inner.kind == "function"}
    pending = list(found)
    while pending:
        inner = calls.get(pending.pop())
        for call in calls_in(view.body(inner)) if inner is not None else ():
            called = method(call)
            if called in calls and called not in found and spelled(receiver(call)) == "self":
                found[called] = False
                pending.append(called)
    return found


def _changes(view: View, scope: Scope) -> Iterator[tuple[ast.stmt, str, Scope]]:
    """Read-modify-writes of the instance's attributes in one function."""
    if function_node(scope) is None:
        return
    for kind in (ast.AugAssign, ast.Assign):
        for node in view.index.of(kind):
            if view.scope(node) is not scope:
                continue
            if isinstance(node, ast.AugAssign):
                target: ast.expr = node.target
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
                target = node.targets[0]
                if not same_load(node.value.left, target) and not same_load(node.value.right, target):
                    continue
            else:
                continue
            if isinstance(target, ast.Attribute) and view.names.own_class(target.value, scope) is not None:
                yield node, target.attr, scope


@on_node(ast.AugAssign)
def shared_global(view: View, node: ast.AugAssign) -> None:
    """SUP605 for a global that the function of several threads changes without a lock."""
    scope = view.function(node)
    if scope is None or not isinstance(node.target, ast.Name) or node.target.id not in scope.declared:
        return
    if scope.owner_of(node.target.id).kind != "module" or view.is_test(node) or holds_lock(view, node):
        return
    runs = [item for item, _, inner in targets(view) if inner is scope and item.kind == "thread"]
    repeated = len(runs) > 1 or any(
        view.loop(item.call) is not None
        or any(isinstance(up, (ast.ListComp, ast.GeneratorExp)) for _, up in view.index.climb(item.call))
        for item in runs
    )
    if repeated:
        view.report("SUP605", node, f"{node.target.id} is changed by several threads without a lock", MEDIUM)


def same_load(left: ast.expr, right: ast.expr) -> bool:
    """Whether an expression reads what a target writes."""
    return ast.unparse(left) == ast.unparse(right)


@on_node(ast.If)
def lazy_init(view: View, node: ast.If) -> None:
    """SUP606: a global made by a call where it was found to be None, without a lock."""
    scope = view.function(node)
    if scope is None or view.is_test(node) or scope.is_async:
        return
    for name in _tested_unset(node.test):
        declared = (
            isinstance(name, ast.Name)
            and name.id in scope.declared
            and scope.owner_of(name.id).kind == "module"
        )
        on_class = (
            isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "cls"
        )
        if not declared and not on_class:
            continue
        for statement in node.body:
            if (
                isinstance(statement, ast.Assign)
                and isinstance(statement.value, ast.Call)
                and any(same_load(target, name) for target in statement.targets)
                and not holds_lock(view, node)
            ):
                view.report("SUP606", node, f"Two threads can both make {ast.unparse(name)}", MEDIUM)
                return


def _tested_unset(test: ast.expr) -> Iterator[ast.expr]:
    if (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Is)
        and constant(test.comparators[0]) is None
    ):
        yield test.left
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        yield test.operand
