"""Pattern 2: what blocks an event loop or a worker slot. The endless polls of SUP207 stand in `loops`."""

import ast

from supervision.audit.knowledge import BLOCKING_HTTP, DJANGO_MODELS
from supervision.audit.project import Project
from supervision.audit.rules import on_any_call, on_call, on_method, on_node
from supervision.audit.rules.frameworks import in_task
from supervision.audit.view import (
    HIGH,
    LOW,
    MEDIUM,
    View,
    argument,
    constant,
    keyword,
    method,
    receiver,
    spelled,
)

_FILES = ("builtins.open", "io.open_code", "os.fdopen", "pathlib.Path.read_text", "pathlib.Path.read_bytes",
          "pathlib.Path.write_text", "pathlib.Path.write_bytes", "pathlib.Path.open", "shutil.copy", "shutil.copy2",
          "shutil.copyfile", "shutil.copytree", "shutil.rmtree", "shutil.move", "tempfile.NamedTemporaryFile")  # fmt: skip
_COMMANDS = ("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output",
             "subprocess.Popen", "os.system", "os.popen", "subprocess.getoutput")  # fmt: skip
_PATH_METHODS = ("read_text", "read_bytes", "write_text", "write_bytes")
_WAITS = ("concurrent.futures.Future.result", "concurrent.futures.Future.exception", "threading.Thread.join",
          "threading.Event.wait", "threading.Condition.wait", "threading.Barrier.wait", "threading.Lock.acquire",
          "threading.RLock.acquire", "threading.Semaphore.acquire", "threading.BoundedSemaphore.acquire",
          "queue.Queue.get", "queue.Queue.put", "queue.Queue.join", "queue.SimpleQueue.get", "queue.LifoQueue.get",
          "queue.PriorityQueue.get", "multiprocessing.Queue.get", "multiprocessing.Process.join",
          "multiprocessing.Event.wait", "multiprocessing.Connection.recv", "subprocess.Popen.wait",
          "subprocess.Popen.communicate", "concurrent.futures.wait")  # fmt: skip
_QUERIES = frozenset(
    {"get", "count", "exists", "create", "first", "last", "update", "delete", "get_or_create", "update_or_create",
     "bulk_create", "bulk_update", "aggregate", "in_bulk", "latest", "earliest", "save", "refresh_from_db"}
)  # fmt: skip
_MANAGERS = frozenset({"objects", "_default_manager", "_base_manager"})


@on_call("time.sleep")
def sleep_in_async(view: View, call: ast.Call) -> None:
    """SUP201."""
    if view.in_coroutine(call) and constant(argument(call, 0, "secs")) != 0:
        view.report("SUP201", call, f"time.sleep stops the event loop in {view.symbol(call)}()")


@on_call(*sorted(BLOCKING_HTTP))
def http_in_async(view: View, call: ast.Call) -> None:
    """SUP202; an awaited call is a subclass's that made it asynchronous."""
    if view.in_coroutine(call) and not isinstance(view.up(call), ast.Await):
        view.report("SUP202", call, f"{view.callee(call)} blocks the event loop in {view.symbol(call)}()")


@on_any_call
def helper_blocks(view: View, call: ast.Call) -> None:
    """SUP201 and SUP202 through a synchronous helper of the project that sleeps or asks over HTTP."""
    if not view.in_coroutine(call):
        return
    callee = view.callee(call) or ""
    blocking = blocks(view.project, callee)
    if blocking is not None:
        code = "SUP201" if blocking == "time.sleep" else "SUP202"
        view.report(code, call, f"{spelled(call)}() leads to {blocking}, which blocks the event loop", MEDIUM)


def blocks(project: Project, dotted: str, depth: int = 1) -> str | None:
    """The blocking call that a synchronous function of the project leads to, within a few calls."""
    function = project.function_of(dotted)
    if function is None or function.is_async:
        return None
    for ref in function.calls:
        called = project.canonical(ref)
        if called == "time.sleep" or called in BLOCKING_HTTP:
            return called
        if depth and called != dotted:
            found = blocks(project, called, depth - 1)
            if found:
                return found
    return None


@on_call(*_FILES, *_COMMANDS)
def blocking_io(view: View, call: ast.Call) -> None:
    """SUP204."""
    if view.in_coroutine(call):
        sure = LOW if view.is_test(call) else HIGH
        view.report(
            "SUP204", call, f"{view.callee(call)} blocks the event loop in {view.symbol(call)}()", sure
        )


@on_method(*_PATH_METHODS)
def blocking_path(view: View, call: ast.Call) -> None:
    """SUP204: these methods are a path's even when nothing says so; an awaited one is an asynchronous path's."""
    if view.in_coroutine(call) and view.callee(call) is None and not isinstance(view.up(call), ast.Await):
        view.report("SUP204", call, f"{method(call)} blocks the event loop in {view.symbol(call)}()", MEDIUM)


@on_call(*_WAITS)
def blocking_wait(view: View, call: ast.Call) -> None:
    """SUP205: the waits of the thread world, unless they are told not to wait."""
    if not view.in_coroutine(call) or isinstance(view.up(call), ast.Await):
        return
    for name in ("block", "blocking", "timeout"):
        given = keyword(call, name)
        if given is not None and constant(given) in (False, 0):
            return
    if call.args and constant(call.args[0]) in (False, 0):
        return
    verb = method(call) or ""
    owner = receiver(call)
    if verb in ("result", "exception") and owner is not None and _known_done(view, call, owner):
        return
    if verb == "put" and not _bounded(view, owner):
        return
    view.report("SUP205", call, f"{view.callee(call)} can block the event loop in {view.symbol(call)}()")


def _known_done(view: View, call: ast.Call, owner: ast.expr) -> bool:
    """Whether the future is known to be done: asked just before, or one of those that a wait returned."""
    for _, up in view.index.climb(call):
        if isinstance(up, ast.If) and any(
            isinstance(node, ast.Attribute) and node.attr == "done" for node in ast.walk(up.test)
        ):
            return True
    return isinstance(owner, ast.Call) and spelled(owner) in ("as_completed", "pop")


def _bounded(view: View, owner: ast.expr | None) -> bool:
    """Whether a queue is known to have a bound, so that put can block."""
    if not isinstance(owner, ast.Name):
        return False
    found = view.scope(owner).lookup(owner.id)
    bindings = found.bindings[owner.id] if found is not None else []
    return any(
        isinstance(item.node, ast.Call) and bool(item.node.args or item.node.keywords) for item in bindings
    )


# ------------------------------------------------------------------------------------------------------- ORM


@on_method(*sorted(_QUERIES))
def query_in_async(view: View, call: ast.Call) -> None:
    """SUP203: a synchronous query, or a save of what is known to be a model's instance."""
    if not view.in_coroutine(call) or isinstance(view.up(call), ast.Await):
        return
    owner = receiver(call)
    if owner is None:
        return
    if method(call) in ("save", "delete", "refresh_from_db") and not through_manager(owner):
        if not _is_row(view, owner):
            return
    elif not through_manager(owner):
        return
    view.report("SUP203", call, f"The query {method(call)}() runs synchronously in {view.symbol(call)}()")


@on_node(ast.For)
def iterated_query(view: View, node: ast.For) -> None:
    """SUP203: `for row in Model.objects...` evaluates the query in the loop's thread."""
    if view.in_coroutine(node) and through_manager(node.iter) and not _lazy_end(node.iter):
        view.report("SUP203", node.iter, f"The query is evaluated synchronously in {view.symbol(node)}()")


def _lazy_end(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and method(node) == "aiterator"


def through_manager(node: ast.AST) -> bool:
    """Whether an expression is a chain that starts at `Model.objects`."""
    current: ast.AST = node
    while True:
        if isinstance(current, ast.Attribute):
            if current.attr in _MANAGERS:
                return True
            current = current.value
        elif isinstance(current, ast.Call):
            current = current.func
        elif isinstance(current, ast.Subscript):
            current = current.value
        else:
            return False


def _is_row(view: View, node: ast.expr) -> bool:
    """Whether the value is a model's instance: by its class, or because a manager's query gave it."""
    if view.is_instance(node, DJANGO_MODELS):
        return True
    if not isinstance(node, ast.Name):
        return False
    owner = view.scope(node).lookup(node.id)
    for binding in owner.bindings[node.id] if owner is not None else ():
        value = binding.node.value if isinstance(binding.node, ast.Await) else binding.node
        if isinstance(value, ast.Call) and through_manager(value.func) and method(value) in (
            "get", "aget", "first", "afirst", "create", "acreate", "last", "alast", "earliest", "latest",
        ):  # fmt: skip
            return True
        if binding.kind == "loop" and value is not None and through_manager(value):
            return True
    return False


# ----------------------------------------------------------------------------------------------------- Celery


@on_method("get", "join", "wait", "join_native")
def result_wait_in_task(view: View, call: ast.Call) -> None:
    """SUP206: the result of a task started here, waited for in a task."""
    owner = receiver(call)
    if owner is None or not in_task(view, call) or not _is_result(view, owner):
        return
    if any(spelled(item) == "allow_join_result" for item in view.withs(call)):
        return
    view.report("SUP206", call, "A task waits for another task and holds its worker slot meanwhile")


def _is_result(view: View, node: ast.expr, depth: int = 0) -> bool:
    if isinstance(node, ast.Name) and depth < 4:
        owner = view.scope(node).lookup(node.id)
        return owner is not None and any(
            isinstance(item.node, ast.expr)
            and item.kind == "value"
            and _is_result(view, item.node, depth + 1)
            for item in owner.bindings[node.id]
        )
    if not isinstance(node, ast.Call):
        return False
    if method(node) in ("delay", "apply_async", "send_task"):
        return True
    if view.callee(node) in ("celery.result.AsyncResult", "celery.result.GroupResult"):
        return True
    inner = node.func  # group(...)() and chord(...)(...)
    return isinstance(inner, ast.Call) and (view.callee(inner) or spelled(inner)).rsplit(".", 1)[-1] in (
        "group", "chord", "chain",
    )  # fmt: skip
