"""Pattern 12: work started where no supervisor can hold it, and limits that tests do not see."""

import ast

from supervision.audit.index import Scope, walk
from supervision.audit.rules import on_call, on_file, on_method, on_node
from supervision.audit.rules.frameworks import in_request, in_task
from supervision.audit.rules.making import Made, made
from supervision.audit.view import HIGH, MEDIUM, View, calls_in, constant, method, receiver, spelled

_FLAGS = ("testing", "test", "is_test", "in_test", "in_tests", "under_test", "test_mode", "debug", "is_testing",
          "running_tests", "pytest_running", "unit_test")  # fmt: skip
_LIMITS = ("restart", "retry", "retries", "timeout", "time_out", "limit", "intensity", "period", "interval", "seconds",
           "backoff", "back_off", "delay", "strategy", "attempts", "ttl", "deadline", "threshold", "grace",
           "concurrency", "heartbeat", "max")  # fmt: skip
_STARTED = frozenset({"thread", "process", "popen", "timer"})


@on_file
def start_at_import(view: View) -> None:
    """SUP112: at module or class level, outside the main guard; also through a function of the file called there."""
    if view.in_tests or view.path.endswith("__main__.py"):
        return
    starting: dict[Scope, Made] = {}
    for item in made(view):
        at_once = view.project.is_a(item.cls, frozenset({"multiprocessing.Pool"}))  # it forks when it is made
        if (item.kind not in _STARTED and not at_once) or not item.started:
            continue
        scope = view.scope(item.call)
        if scope.kind != "function":
            if not view.under_main_guard(item.call) and not view.in_lambda(item.call) and not _waited(item):
                view.report("SUP112", item.call, f"Importing the module starts a {_word(item)}")
        else:
            starting.setdefault(scope, item)
    for scope, item in starting.items():
        if scope.parent is not None and scope.parent.kind == "module":
            for load in scope.parent.loads.get(scope.name, ()):
                call = view.up(load)
                if (
                    isinstance(call, ast.Call)
                    and call.func is load
                    and not view.under_main_guard(call)
                    and isinstance(view.up(call), ast.Expr)
                    and not _waited(item)
                ):
                    message = f"Importing the module calls {scope.name}(), which starts a {_word(item)}"
                    view.report("SUP112", call, message, MEDIUM)


@on_call("asyncio.create_task", "asyncio.ensure_future")
def task_at_import(view: View, call: ast.Call) -> None:
    """SUP112 for tasks."""
    if (
        view.function(call) is None
        and not view.in_lambda(call)
        and not view.under_main_guard(call)
        and not view.in_tests
    ):
        view.report("SUP112", call, "Importing the module starts a task")


def _word(item: Made) -> str:
    if item.kind == "executor":
        return "pool of processes"
    return "child process" if item.kind in ("process", "popen") else item.kind


def _waited(item: Made) -> bool:
    """Whether what is started ends before the place is left."""
    return item.fate.entered or item.fate.does("communicate", "wait", "join")


@on_file
def start_in_constructor(view: View) -> None:
    """SUP113: in `__init__`, a handle made and started there."""
    for item in made(view):
        scope = view.function(item.call)
        if item.kind not in _STARTED or scope is None or scope.name != "__init__" or view.is_test(item.call):
            continue
        if item.kind == "popen" or item.fate.does("start") or _attribute_started(view, item, scope):
            view.report("SUP113", item.call, f"The constructor starts a {_word(item)}")


def _attribute_started(view: View, item: Made, scope: Scope) -> bool:
    names = {slot.name for slot in item.fate.stored}
    return any(
        method(call) == "start" and spelled(receiver(call)) in names for call in calls_in(view.body(scope))
    )


@on_method("start")
def starts_itself(view: View, call: ast.Call) -> None:
    """SUP113: a thread or process class whose constructor calls its own start."""
    owner = receiver(call)
    scope = view.function(call)
    if owner is None or scope is None or scope.name != "__init__" or view.is_test(call):
        return
    own = view.names.own_class(owner, view.scope(call))
    if own is not None and view.project.is_a(own, frozenset({"threading.Thread", "multiprocessing.Process"})):
        view.report("SUP113", call, "The constructor starts its own thread or process")


@on_call("asyncio.create_task", "asyncio.ensure_future")
def task_in_constructor(view: View, call: ast.Call) -> None:
    """SUP113 for tasks."""
    scope = view.function(call)
    if scope is not None and scope.name == "__init__" and not view.in_lambda(call) and not view.is_test(call):
        view.report("SUP113", call, "The constructor starts a task")


@on_file
def start_in_request(view: View) -> None:
    """SUP114: a request handler or a task that starts a worker and does not wait for it."""
    for item in made(view):
        if item.kind not in _STARTED or not item.started or _waited(item) or view.is_test(item.call):
            continue
        where = "request" if in_request(view, item.call) else "task" if in_task(view, item.call) else ""
        if where:
            view.report("SUP114", item.call, f"A {where} starts a {_word(item)} of its own")


@on_call("os.fork", "_thread.start_new_thread")
def raw_start_in_request(view: View, call: ast.Call) -> None:
    """SUP114 for fork and raw threads."""
    if in_request(view, call) or in_task(view, call):
        view.report("SUP114", call, f"A request or task calls {view.callee(call)}", HIGH)


# ------------------------------------------------------------------------------------------------------ limits


@on_node(ast.IfExp)
def limit_by_expression(view: View, node: ast.IfExp) -> None:
    """SUP031: `MAX = 100 if TESTING else 3`."""
    if view.in_tests or not _is_flag(view, node.test):
        return
    name = _given_to(view, node)
    if _is_limit(name) and not (
        isinstance(node.body, (ast.Dict, ast.List)) or isinstance(node.orelse, ast.Dict)
    ):
        view.report("SUP031", node, f"{name} depends on a test flag")


@on_node(ast.If)
def limit_by_statement(view: View, node: ast.If) -> None:
    """SUP031: `if TESTING: MAX = 100`."""
    if view.in_tests or not _is_flag(view, node.test):
        return
    for statement in node.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)):
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                if _is_limit(spelled(target)) and isinstance(statement.value, (ast.Constant, ast.BinOp)):
                    view.report("SUP031", statement, f"{spelled(target)} depends on a test flag")


def _given_to(view: View, node: ast.AST) -> str:
    """The name that a value is given to: a target, a keyword or a key."""
    for child, up in view.index.climb(node):
        if isinstance(up, ast.Assign):
            return spelled(up.targets[0])
        if isinstance(up, (ast.AnnAssign, ast.AugAssign)):
            return spelled(up.target)
        if isinstance(up, ast.keyword):
            return up.arg or ""
        if isinstance(up, ast.Dict):
            position = next((i for i, item in enumerate(up.values) if item is child), None)
            key = constant(up.keys[position]) if position is not None else None
            return key if isinstance(key, str) else ""
        if isinstance(up, (ast.stmt, ast.Call, ast.Lambda)):
            return ""
    return ""


def _is_limit(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in _LIMITS)


def _is_flag(view: View, test: ast.expr) -> bool:
    """Whether a condition asks if tests or debugging are on: a flag, the environment, or pytest being loaded."""
    for node in walk(test):
        if isinstance(node, (ast.Name, ast.Attribute)) and spelled(node).lower().strip("_") in _FLAGS:
            return True
        if isinstance(node, ast.Compare):
            texts = [
                item.value
                for item in walk(node)
                if isinstance(item, ast.Constant) and isinstance(item.value, str)
            ]
            names = {spelled(item) for item in walk(node) if isinstance(item, (ast.Name, ast.Attribute))}
            if any(
                text.lower() in ("test", "testing", "pytest", "tests", "debug") for text in texts
            ) and names & {
                "environ",
                "getenv",
                "modules",
                "argv",
                "ENV",
                "ENVIRONMENT",
                "env",
                "environment",
            }:
                return True
        if (
            isinstance(node, ast.Call)
            and spelled(node.func) in ("getenv", "get")
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, str)
            and "TEST" in node.args[0].value.upper()
        ):
            return True
    return False
