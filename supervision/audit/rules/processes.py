"""Pattern 1, threads and processes: started and not kept, joined, reaped or shut down."""

import ast

from supervision.audit.index import Scope, walk
from supervision.audit.rules import on_call, on_file
from supervision.audit.rules.making import Made, is_daemon, made, targets
from supervision.audit.view import (
    HIGH,
    LOW,
    MEDIUM,
    View,
    calls_in,
    constant,
    function_node,
    is_true,
    spelled,
)

_REAPED = frozenset(
    {"wait", "communicate", "poll", "with", "returned", "passed", "await", "__exit__", "returncode"}
)
_POOL_CLOSED = {
    True: frozenset(
        {"close", "terminate", "join", "with", "returned", "passed", "__exit__"}
    ),  # multiprocessing's
    False: frozenset({"shutdown", "with", "returned", "passed", "__exit__"}),
}
_TERMINAL = frozenset({"", "cls", "clear", "color", "reset"})
_FORKS = ("os.fork", "os.forkpty", "pty.fork", "os.posix_spawn", "os.posix_spawnp", "os.spawnl", "os.spawnv",
          "os.spawnlp", "os.spawnvp", "os.spawnle", "os.spawnve", "os.spawnlpe", "os.spawnvpe")  # fmt: skip
_WAITS = frozenset(f"os.{name}" for name in ("wait", "waitpid", "wait3", "wait4", "waitid"))


def _unkept(item: Made) -> bool:
    """Whether no other code can reach the started worker; a module's own global that nobody reads does not count."""
    fate = item.fate
    if fate.entered or fate.returned or fate.yielded or fate.passed or fate.raised or fate.globals:
        return False
    if any(slot.kind != "global" for slot in fate.stored):
        return False
    return not item.cared_for


@on_file
def started_and_dropped(view: View) -> None:
    """SUP101, SUP106 and, in tests, SUP042."""
    for item in made(view):
        if item.kind not in ("thread", "process") or not item.started or not _unkept(item):
            continue
        what = "thread" if item.kind == "thread" else "process"
        how = (
            "its handle is dropped" if not item.fate.names else "its handle is only local and nobody joins it"
        )
        if view.is_test(item.call):
            view.report("SUP042", item.call, f"The {what} is started and left running: {how}", MEDIUM)
        else:
            code = "SUP101" if item.kind == "thread" else "SUP106"
            sure = MEDIUM if item.by_factory else HIGH
            view.report(code, item.call, f"The {what} is started and {how}", sure)


@on_call("_thread.start_new_thread")
def raw_thread(view: View, call: ast.Call) -> None:
    """SUP101: a raw thread has no handle at all."""
    view.report("SUP101", call, "start_new_thread gives no handle that could be joined")


@on_file
def daemon_without_stop(view: View) -> None:
    """SUP102: the target of a daemon thread loops for ever and cannot be told to stop."""
    for item, function, scope in targets(view):
        if item.kind == "thread" and is_daemon(item) and not view.is_test(item.call):
            loop = endless(view, function, scope)
            if loop is not None:
                message = f"The daemon thread runs {scope.name}(), whose loop at line {loop.lineno} has no way to stop"
                view.report("SUP102", item.call, message, MEDIUM)


def endless(view: View, function: ast.AST, scope: Scope) -> ast.While | None:
    """A `while True` of the function that nothing leaves: no break, return or raise, no stop event asked."""
    for loop in view.index.of(ast.While):
        if view.scope(loop) is scope and is_true(loop.test) and not leaves(loop):
            return loop
    return None


def leaves(loop: ast.While | ast.For | ast.AsyncFor) -> bool:
    """Whether the body can leave the loop by itself."""
    for statement in loop.body:
        for node in walk(statement):
            if isinstance(node, (ast.Return, ast.Raise, ast.Break)):
                return True
            if isinstance(node, ast.Call) and spelled(node) in ("is_set", "exit", "_exit"):
                return True
    return False


@on_file
def process_not_reaped(view: View) -> None:
    """SUP103 and SUP111: a child nobody waits for, or one in a session of its own that nobody records."""
    for item in made(view):
        if item.kind != "popen" or (
            item.cls != "subprocess.Popen" and view.project.function_of(f"{item.cls}.wait")
        ):
            continue
        fate = item.fate
        waited = fate.entered or fate.does("wait", "communicate", "poll", "__exit__", "returncode")
        if not waited and not (fate.does("pid") and _waits_here(view, item.call)):
            _not_waited(view, item)
        if not item.by_factory and _detached(view, item.call):
            _not_recorded(view, item, waited=waited)


def _waits_here(view: View, call: ast.Call) -> bool:
    """Whether the function waits by pid."""
    return any(view.callee(other) in _WAITS for other in calls_in(view.body(view.scope(call))))


def _not_waited(view: View, item: Made) -> None:
    fate = item.fate
    if fate.returned or fate.yielded or fate.passed or fate.raised:
        return
    if any(slot.kind == "foreign" for slot in fate.stored) or _leaves_after(view, item.call):
        return
    if any(slot.kind == "attribute" for slot in fate.stored) and view.handles.slot_verbs(fate) & _REAPED:
        return
    where = (
        "kept, and nobody waits for it" if fate.stored or fate.globals else "started and nobody waits for it"
    )
    if view.is_test(item.call):
        view.report("SUP042", item.call, f"The child process is {where}", MEDIUM)
    else:
        sure = MEDIUM if fate.stored or fate.globals or item.by_factory else HIGH
        view.report("SUP103", item.call, f"The child process is {where}", sure)


def _leaves_after(view: View, call: ast.Call) -> bool:
    """Whether the process ends right after starting the child: the child takes its place."""
    statement = view.index.statement(call)
    if statement is None:
        return False
    block = view.index.block(statement)
    following = block[next((i for i, item in enumerate(block) if item is statement), len(block)) + 1 :]
    return any(_ends_process(view, node) for later in following[:3] for node in walk(later))


def _detached(view: View, call: ast.Call) -> bool:
    """Whether the child gets a session or group of its own, also through a `**mapping` made in the function."""
    options = {word.arg: word.value for word in call.keywords if word.arg}
    for word in call.keywords:
        if word.arg is None:
            options.update(_mapping(view, word.value))
    if is_true(options.get("start_new_session")) or constant(options.get("process_group")) == 0:
        return True
    hook = options.get("preexec_fn")
    if hook is not None and view.canonical(hook) in ("os.setsid", "os.setpgrp", "os.setpgid"):
        return True
    flags = options.get("creationflags")
    return flags is not None and any(spelled(node) == "DETACHED_PROCESS" for node in walk(flags))


def _mapping(view: View, value: ast.expr) -> dict[str, ast.expr]:
    """The string keys that a local mapping is given."""
    found: dict[str, ast.expr] = {}
    if isinstance(value, ast.Dict):
        pairs = zip(value.keys, value.values, strict=True)
        return {
            key.value: item
            for key, item in pairs
            if isinstance(key, ast.Constant) and isinstance(key.value, str)
        }
    if not isinstance(value, ast.Name):
        return found
    scope = view.scope(value)
    for binding in scope.bindings.get(value.id, ()):
        if isinstance(binding.node, ast.Dict):
            found |= _mapping(view, binding.node)
        elif isinstance(binding.node, ast.Call):
            found |= {word.arg: word.value for word in binding.node.keywords if word.arg}
    for load in scope.loads.get(value.id, ()):
        up = view.up(load)
        outer = view.up(up) if up is not None else None
        if isinstance(up, ast.Subscript) and isinstance(outer, ast.Assign) and outer.targets[0] is up:
            key = constant(up.slice)
            if isinstance(key, str):
                found[key] = outer.value
        elif isinstance(up, ast.Attribute) and up.attr == "update" and isinstance(outer, ast.Call):
            found |= {word.arg: word.value for word in outer.keywords if word.arg}
    return found


def _not_recorded(view: View, item: Made, *, waited: bool) -> None:
    fate = item.fate
    if (
        waited
        or fate.stored
        or fate.globals
        or fate.passed
        or fate.yielded
        or fate.does("pid", "kill", "terminate")
    ):
        return
    if fate.returned:
        scope = view.function(item.call)
        if scope is None or scope.parent is None or scope.parent.kind == "class":
            return
        if view.names.dotted(scope) in view.project.kept_results or _callers_wait(
            view, view.names.dotted(scope)
        ):
            return
    view.report("SUP111", item.call, "The process gets a session of its own, and nothing records it", HIGH)


def _callers_wait(view: View, function: str) -> bool:
    """Whether some caller of the function in this file takes care of what it returns."""
    for call in view.index.of(ast.Call):
        if view.callee(call) == function:
            fate = view.fate(call)
            if (
                fate.entered
                or fate.stored
                or fate.does("wait", "communicate", "poll", "pid", "kill", "terminate")
            ):
                return True
    return False


@on_call(*_FORKS)
def fork_not_reaped(view: View, call: ast.Call) -> None:
    """SUP104: unless the parent leaves (a daemon is being made), waits, or gives the pid to somebody who does."""
    callee = view.callee(call) or ""
    if "spawn" in callee and "posix" not in callee:
        mode = spelled(call.args[0]) if call.args else ""
        if mode != "P_NOWAIT":
            return
    fate = view.fate(call)
    waits = any(
        view.callee(other) in _WAITS for other in view.index.of(ast.Call) if isinstance(other, ast.Call)
    )
    if waits or _parent_leaves(view, call):
        return
    if (fate.returned or fate.passed or fate.stored or fate.globals or _elements_kept(view, call)) and (
        "waitpid" in view.project.facts or fate.returned
    ):
        return
    view.report("SUP104", call, "Nothing waits for the child: it stays a zombie when it ends")


def _elements_kept(view: View, call: ast.Call) -> bool:
    """`pid, fd = pty.fork()` with the pid stored or returned."""
    up = view.up(call)
    if not isinstance(up, ast.Assign) or not isinstance(up.targets[0], ast.Tuple):
        return False
    first = up.targets[0].elts[0]
    if not isinstance(first, ast.Name):
        return True
    return view.handles.fate_of_name(first.id, view.scope(call), up).escapes


def _parent_leaves(view: View, call: ast.Call) -> bool:
    """Whether the parent's side of the fork ends the process."""
    scope = view.scope(call)
    names = {name for _, name in view.fate(call).names}
    for test in view.index.of(ast.If):
        if view.scope(test) is not scope:
            continue
        mentioned = [
            node
            for node in walk(test.test)
            if node is call or (isinstance(node, ast.Name) and node.id in names)
        ]
        if not mentioned:
            continue
        child_first = _asks_for_child(test.test)
        block = view.index.block(test)
        after = block[next(i for i, item in enumerate(block) if item is test) + 1 :]
        parent = (test.orelse or after) if child_first else test.body
        if any(_ends_process(view, node) for statement in parent for node in walk(statement)):
            return True
    return False


def _asks_for_child(test: ast.expr) -> bool:
    """`pid == 0` and `not pid` are true in the child."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return True
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], (ast.Eq, ast.LtE, ast.Lt))


def _ends_process(view: View, node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return view.callee(node) in ("os._exit", "sys.exit", "builtins.exit", "builtins.quit")
    return isinstance(node, ast.Raise) and spelled(node.exc) == "SystemExit"


@on_call("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
def shell_out(view: View, call: ast.Call) -> None:
    """SUP105; clearing the terminal is not worth a report."""
    command = constant(call.args[0]) if call.args else None
    if isinstance(command, str) and command.strip().lower() in _TERMINAL:
        return
    if call.args and isinstance(call.args[0], ast.IfExp):
        branches = (constant(call.args[0].body), constant(call.args[0].orelse))
        if all(isinstance(branch, str) and branch in _TERMINAL for branch in branches):
            return
    view.report(
        "SUP105", call, f"{(view.callee(call) or '').split('.', 1)[-1]} runs a shell without a timeout"
    )


@on_file
def executor_not_shutdown(view: View) -> None:
    """SUP107: neither entered, shut down, nor given to somebody who does it."""
    for item in made(view):
        if item.kind != "executor":
            continue
        fate = item.fate
        passed = [call for call, _ in fate.passed if spelled(call) not in ("run_in_executor", "wrap_future")]
        if fate.entered or fate.returned or fate.yielded or passed or fate.raised:
            continue
        closing = _POOL_CLOSED[view.project.is_a(item.cls, frozenset({"multiprocessing.Pool"}))]
        if closing & set(fate.methods):
            continue
        if any(slot.kind == "foreign" for slot in fate.stored):
            continue
        if view.handles.slot_verbs(fate) & closing:
            continue
        if fate.dropped and not fate.methods and not fate.names and not fate.stored:
            continue  # nothing was submitted
        scope = function_node(view.function(item.call))
        where = "this function" if scope is not None and not fate.stored else "its owner"
        sure = LOW if view.is_test(item.call) else MEDIUM if fate.stored or fate.globals else HIGH
        view.report("SUP107", item.call, f"The pool is never shut down by {where}", sure)
