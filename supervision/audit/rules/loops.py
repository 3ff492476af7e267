"""Loops that wait, retry or work for ever: SUP207, SUP806, SUP810, SUP021."""

import ast
from collections.abc import Iterator

from supervision.audit.index import FUNCTIONS, FunctionNode, Scope, walk
from supervision.audit.knowledge import THREADS
from supervision.audit.rules import on_file, on_node
from supervision.audit.rules.errors import is_broad
from supervision.audit.rules.making import targets
from supervision.audit.rules.sends import spelled_types
from supervision.audit.rules.telemetry import leaves_trace
from supervision.audit.view import (
    MEDIUM,
    TRIES,
    View,
    calls_in,
    exits,
    is_true,
    raises,
    spelled,
)

_SLEEPS = frozenset({"time.sleep", "asyncio.sleep", "gevent.sleep", "eventlet.sleep", "trio.sleep", "anyio.sleep",
                     "tornado.gen.sleep", "curio.sleep"})  # fmt: skip
_CLOCKS = frozenset(
    {"time", "monotonic", "perf_counter", "now", "utcnow", "clock", "process_time", "boot", "current_time"}
)
_BOUND_WORDS = ("deadline", "timeout", "expire", "end_time", "endtime", "elapsed", "attempt", "retries", "tries",
                "remaining", "max_", "maximum", "countdown", "budget", "limit", "until", "waited", "time_left")  # fmt: skip
_STOP_WORDS = ("stop", "running", "shutdown", "shutting", "should", "exit", "quit", "terminat", "active", "enabled",
               "closed", "closing", "finished", "abort", "cancel", "interrupt", "keep_going", "kill")  # fmt: skip
# Errors of the data or of the call, and time-outs: to try again after them is not to hammer an outage.
_HARMLESS = frozenset(
    {"Empty", "Full", "QueueEmpty", "QueueFull", "InterruptedError", "BlockingIOError", "StopIteration", "EOFError",
     "KeyboardInterrupt", "ValueError", "TypeError", "KeyError", "IndexError", "AttributeError", "LookupError",
     "timeout", "TimeoutError", "TimeoutExpired", "FileExistsError", "UnicodeDecodeError", "UnicodeEncodeError",
     "StopAsyncIteration", "ImportError", "ProcessLookupError", "NotImplementedError", "SyntaxError", "ChildProcessError",
     "IncompleteReadError", "JSONDecodeError", "RuntimeError", "NoMoreTrue", "UnicodeError", "DecodeError",
     "WouldBlock", "SSLWantReadError", "SSLWantWriteError"}
)  # fmt: skip
_HARMLESS_ENDS = (
    "timeout",
    "exists",
    "existserror",
    "createerror",
    "duplicate",
    "collision",
    "notfound",
    "notfounderror",
)
_WAITS = frozenset(
    {
        "pause",
        "sigtimedwait",
        "sleep",
        "wait",
        "backoff",
        "back_off",
        "delay",
        "select",
        "poll",
        "call_later",
        "throttle",
        "shield",
        "input",
    }
)
_RESTARTS = (
    "restart",
    "respawn",
    "retry",
    "reconnect",
    "drop",
    "requeue",
    "relaunch",
    "revive",
    "replace_worker",
)


def _nodes(loop: ast.While | ast.For | ast.AsyncFor) -> Iterator[ast.AST]:
    yield from walk(*([loop.test] if isinstance(loop, ast.While) else []), *loop.body)


def _sleeps(view: View, loop: ast.While) -> list[ast.Call]:
    """Calls that sleep, directly in the loop and not in a handler of it."""
    found = []
    for call in calls_in(loop.body):
        name = view.callee(call)
        if (
            (name in _SLEEPS or (name is None and spelled(call.func) == "sleep"))
            and view.loop(call) is loop
            and not _in_handler_of(view, call, loop)
        ):
            found.append(call)
    return found


def _in_handler_of(view: View, node: ast.AST, loop: ast.AST) -> bool:
    for child, up in view.index.climb(node):
        if up is loop:
            return False
        if isinstance(child, ast.ExceptHandler):
            return True
    return False


# ------------------------------------------------------------------------------------------------------- polls


@on_node(ast.While)
def poll_without_deadline(view: View, node: ast.While) -> None:
    """SUP207: a loop that sleeps until a condition holds, with no clock, counter or stop flag in it."""
    sleeps = _sleeps(view, node)
    if (
        not sleeps
        or _has_bound(view, node)
        or any(isinstance(item, (ast.Yield, ast.YieldFrom)) for item in _nodes(node))
    ):
        return
    if is_true(node.test):
        if not _leaves_on_condition(view, node):
            return
    elif _says_stop(node.test) or not _only_waits(view, node):
        return
    view.report("SUP207", node, "The loop sleeps until something is true, without a deadline")


def _has_bound(view: View, loop: ast.While) -> bool:
    """Whether a clock, a counter or something named for a bound takes part in the loop."""
    for node in _nodes(loop):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, (ast.Name, ast.Attribute)):
            return True
        if isinstance(node, (ast.Compare, ast.If, ast.BoolOp)):
            tested = node.test if isinstance(node, ast.If) else node
            for part in walk(tested):
                if isinstance(part, ast.Call) and spelled(part.func) in _CLOCKS:
                    return True
                if isinstance(part, (ast.Name, ast.Attribute)) and _bounds(spelled(part)):
                    return True
        if isinstance(node, ast.Call) and spelled(node.func) in (
            *_CLOCKS,
            "next",
            "range",
            "timeout",
            "check_timeout",
        ):
            return True
    return any(
        isinstance(item, ast.Call)
        and spelled(item) in ("timeout", "timeout_at", "fail_after", "move_on_after", "Timeout")
        for item in view.withs(loop)
    )


def _bounds(name: str) -> bool:
    lowered = name.lower()
    return any(word in lowered for word in _BOUND_WORDS)


def _says_stop(test: ast.AST) -> bool:
    for node in walk(test):
        name = spelled(node).lower() if isinstance(node, (ast.Name, ast.Attribute)) else ""
        if name and any(word in name for word in _STOP_WORDS):
            return True
    return False


def _only_waits(view: View, loop: ast.While) -> bool:
    """Whether the body only sleeps, looks again and reports: a loop that works is a service, not a wait."""
    return all(_is_waiting(view, statement, loop) for statement in loop.body)


def _is_waiting(view: View, statement: ast.stmt, loop: ast.While) -> bool:
    if isinstance(
        statement, (ast.Pass, ast.Assign, ast.AnnAssign, ast.Continue, ast.Break, ast.Raise, ast.Return)
    ):
        return not isinstance(statement, ast.Assign) or _refreshes(statement, loop)
    if isinstance(statement, ast.If):
        return all(_is_waiting(view, inner, loop) for inner in (*statement.body, *statement.orelse))
    if isinstance(statement, ast.Expr):
        value = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
        if isinstance(value, ast.Constant):
            return True
        if not isinstance(value, ast.Call):
            return False
        name = view.callee(value)
        return name in _SLEEPS or spelled(value.func) in (
            "sleep", "debug", "info", "warning", "error", "log", "print", "refresh", "reload", "update", "poll",
            "refresh_from_db", "flush", "write",
        )  # fmt: skip
    return False


def _refreshes(statement: ast.Assign, loop: ast.While) -> bool:
    """Whether an assignment renews a name that the loop's condition reads."""
    read = {node.id for node in walk(loop.test) if isinstance(node, ast.Name)}
    return any(isinstance(target, ast.Name) and target.id in read for target in statement.targets)


def _leaves_on_condition(view: View, loop: ast.While) -> bool:
    """Whether a condition that is not a stop flag leaves the endless loop."""
    for node in _nodes(loop):
        if not isinstance(node, (ast.Break, ast.Return)) or view.loop(node) is not loop:
            continue
        if _in_handler_of(view, node, loop):
            continue
        conditions = []
        for _, up in view.index.climb(node):
            if up is loop:
                break
            if isinstance(up, ast.If):
                conditions.append(up.test)
        if conditions and not any(_says_stop(test) for test in conditions):
            return True
    return False


# ----------------------------------------------------------------------------------------------------- retries


@on_node(ast.While)
def retry_unbounded(view: View, node: ast.While) -> None:
    """SUP806: an endless loop whose try leaves it on success and whose handler goes round at once."""
    scope = view.function(node)
    if scope is not None and scope.name in ("__next__", "__anext__"):
        return  # going round takes the next element, and does not try the same again
    if not (is_true(node.test) or _flag(node.test)) or _waits(node) or _counts(node) or _can_be_stopped(node):
        return
    for attempt in _attempts(node.body):
        if not is_true(node.test) and not _sets_flag(attempt, node.test):
            continue
        by_flag = not is_true(node.test)
        left = not by_flag and _left_after(view, node, attempt)
        if not (by_flag or left or _succeeds(attempt)):
            continue
        for handler in attempt.handlers:
            if left and not isinstance(handler.body[-1], ast.Continue):
                continue  # what follows the try leaves the loop then, too
            if _goes_round(handler) and _is_outage(view, handler):
                view.report("SUP806", node, "It tries again for ever, at once and without a bound")
                return


def _flag(test: ast.expr) -> str:
    """The name in `while not done`, unless it asks for a stop."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not) and isinstance(test.operand, ast.Name):
        return "" if _says_stop(test) else test.operand.id
    return ""


def _sets_flag(attempt: ast.Try | ast.TryStar, test: ast.expr) -> bool:
    """Whether the try ends the loop by setting its flag."""
    return any(
        isinstance(item, ast.Assign)
        and isinstance(item.targets[0], ast.Name)
        and item.targets[0].id == _flag(test)
        and is_true(item.value)
        for item in (*attempt.body, *attempt.orelse)
    )


def _can_be_stopped(loop: ast.While) -> bool:
    """Whether every turn asks if it should stop."""
    return any(isinstance(item, ast.If) and _says_stop(item.test) for item in loop.body)


def _attempts(body: list[ast.stmt]) -> Iterator[ast.Try | ast.TryStar]:
    for statement in body:
        for node in walk(statement):
            if isinstance(node, TRIES):
                yield node


def _waits(loop: ast.While) -> bool:
    return any(
        isinstance(node, ast.Call) and any(word in spelled(node.func).lower() for word in _WAITS)
        for node in _nodes(loop)
    )


def _counts(loop: ast.While) -> bool:
    for node in _nodes(loop):
        if isinstance(node, ast.AugAssign):
            return True
        if isinstance(node, ast.Call) and spelled(node.func) in ("next", "range"):
            return True
        if isinstance(node, (ast.Name, ast.Attribute)) and any(
            word in spelled(node).lower() for word in ("attempt", "retries", "tries", "max_retry", "deadline")
        ):
            return True
    return False


def _succeeds(attempt: ast.Try | ast.TryStar) -> bool:
    """Whether the try leaves the loop when it went well; leaving for a None or nothing is the end of a worker's input."""
    for statement in (*attempt.body, *attempt.orelse):
        if isinstance(statement, (ast.Return, ast.Break)):
            return True
        if (
            isinstance(statement, ast.If)
            and not _is_sentinel(statement.test)
            and any(
                isinstance(inner, (ast.Return, ast.Break)) for inner in (*statement.body, *statement.orelse)
            )
        ):
            return True
        if isinstance(statement, (ast.With, ast.AsyncWith)) and isinstance(
            statement.body[-1], (ast.Return, ast.Break)
        ):
            return True
    return False


def _is_sentinel(test: ast.expr) -> bool:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return True
    return _says_stop(test) or (isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is))


def _left_after(view: View, loop: ast.While, attempt: ast.Try | ast.TryStar) -> bool:
    """Whether the statement after the try leaves the loop: it is reached only on success when handlers continue."""
    block = view.index.block(attempt)
    position = next((i for i, item in enumerate(block) if item is attempt), len(block))
    return any(isinstance(item, (ast.Break, ast.Return)) for item in block[position + 1 :])


def _goes_round(handler: ast.ExceptHandler) -> bool:
    if raises(handler.body) or exits(handler.body):
        return False
    return not any(
        isinstance(node, (ast.Return, ast.Break, ast.Raise))
        for statement in handler.body
        for node in walk(statement)
    )


def _is_outage(view: View, handler: ast.ExceptHandler) -> bool:
    """Whether the error can be an outage of something: anything broad, or an error that is not one of the harmless."""
    if handler.type is None or is_broad(view, handler):
        return True
    return any(
        not name.lower().endswith(_HARMLESS_ENDS) and not name.startswith("Interrupted")
        for name in spelled_types(handler) - _HARMLESS
    )


# ----------------------------------------------------------------------------------------------------- workers


@on_file
def worker_loop_can_die(view: View) -> None:
    """SUP810: the loop of a thread's function, with nothing that catches what one turn of it raises."""
    seen: set[int] = set()
    workers: list[tuple[FunctionNode, Scope]] = [
        (node, scope) for item, node, scope in targets(view) if item.kind == "thread"
    ]
    for maker, scope in view.index.scopes.items():
        if (
            isinstance(maker, FUNCTIONS)
            and scope.name == "run"
            and scope.parent is not None
            and scope.parent.kind == "class"
            and view.project.is_a(view.names.dotted(scope.parent), THREADS)
        ):
            workers.append((maker, scope))
    for node, scope in workers:
        if id(node) not in seen and not view.is_test(node):
            seen.add(id(node))
            _check_worker(view, node, scope)


def _check_worker(view: View, node: FunctionNode, scope: Scope) -> None:
    for loop in view.index.of(ast.While):
        if view.scope(loop) is not scope or not (is_true(loop.test) or _says_stop(loop.test)):
            continue
        if any(part == "body" and any(h.type is None or is_broad(view, h) for h in attempt.handlers)
               for attempt, part in view.branches(loop)):  # fmt: skip
            continue
        if any(
            h.type is None or is_broad(view, h) for attempt in _attempts(loop.body) for h in attempt.handlers
        ):
            continue
        if not any(_can_fail(call) for call in calls_in(loop.body)):
            continue
        view.report(
            "SUP810", node, f"The first exception in the loop of {scope.name}() ends the thread", MEDIUM
        )
        return


def _can_fail(call: ast.Call) -> bool:
    """Whether a call does the work of the loop, and not only its waiting and talking."""
    return spelled(call.func) not in (
        "sleep", "wait", "is_set", "get", "get_nowait", "print", "debug", "info", "warning", "error", "exception", "len",
        "time", "monotonic", "task_done", "isinstance", "min", "max", "set", "clear", "acquire", "release", "float", "int",
        "str",
    )  # fmt: skip


@on_node(ast.While)
def silent_worker(view: View, node: ast.While) -> None:
    """SUP021: an endless loop that restarts or drops things and says nothing of it."""
    if (
        not (is_true(node.test) or _says_stop(node.test))
        or view.is_test(node)
        or leaves_trace(view, node.body)
    ):
        return
    for call in calls_in(node.body):
        name = spelled(call.func).lower()
        if any(name.startswith(word) or name.endswith(word) for word in _RESTARTS) and not _is_sub_call(
            view, call
        ):
            view.report(
                "SUP021",
                node,
                f"The loop calls {spelled(call.func)}() and neither logs nor counts it",
                MEDIUM,
            )
            return


def _is_sub_call(view: View, call: ast.Call) -> bool:
    return not isinstance(view.up(call), (ast.Expr, ast.Assign, ast.Await))
