"""Pattern 1, tasks and futures of event loops and pools: SUP108, SUP109, SUP115."""

import ast

from supervision.audit.finding import Confidence
from supervision.audit.handles import Fate
from supervision.audit.index import FUNCTIONS
from supervision.audit.knowledge import FUTURE_MAKERS, LOOPS, TASK_GROUPS
from supervision.audit.rules import on_call, on_method
from supervision.audit.rules.errors import is_broad
from supervision.audit.rules.making import definition
from supervision.audit.view import HIGH, LOW, MEDIUM, View, keyword, method, receiver, spelled

_CALLBACK_TAKERS = frozenset(
    {"call_soon", "call_soon_threadsafe", "call_later", "call_at", "add_callback", "add_signal_handler",
     "add_done_callback", "signal", "add_reader", "add_writer", "connect", "add_callback_from_signal", "bind", "after"}
)  # fmt: skip
_LOOKED_AT = frozenset({"set_name", "get_name", "add_done_callback=", "=", "daemon="})


def _observed(fate: Fate) -> bool:
    """Whether anybody keeps the task, waits for it, cancels it or hears of its end."""
    return bool(
        fate.awaited
        or fate.escapes
        or fate.entered
        or set(fate.methods) - _LOOKED_AT
        or _result_of_lambda_used(fate)
    )


def _result_of_lambda_used(fate: Fate) -> bool:
    return False


@on_call("asyncio.create_task", "asyncio.ensure_future")
def task_dropped(view: View, call: ast.Call) -> None:
    """SUP108: the task of the module-level functions."""
    _report_dropped_task(view, call)


@on_method("create_task", "ensure_future")
def loop_task_dropped(view: View, call: ast.Call) -> None:
    """SUP108: `loop.create_task` on what is, or is called, an event loop; a task group keeps its tasks itself."""
    owner = receiver(call)
    if owner is None or view.callee(call) in ("asyncio.create_task", "asyncio.ensure_future"):
        return
    found = view.instance(owner)
    if found is not None:
        if not view.project.is_a(found, LOOPS) or view.project.is_a(found, TASK_GROUPS):
            return
    elif not spelled(owner).lower().rstrip("_").endswith("loop"):
        return
    _report_dropped_task(view, call)


def _report_dropped_task(view: View, call: ast.Call) -> None:
    fate = view.fate(call)
    if fate.lambda_result and not _observed(fate):
        if not _is_callback(view, call):
            return
        view.report("SUP108", call, "The task is made in a callback, and its handle is dropped", MEDIUM)
    elif not _observed(fate):
        how = "never looked at again" if fate.names else "dropped"
        view.report("SUP108", call, f"The task's handle is {how}", LOW if view.is_test(call) else HIGH)


def _is_callback(view: View, call: ast.Call) -> bool:
    """Whether the lambda around the call is handed to something that ignores what it returns."""
    for _, up in view.index.climb(call):
        if isinstance(up, ast.Lambda):
            outer = view.up(up)
            if isinstance(outer, ast.keyword):
                outer = view.up(outer)
            return isinstance(outer, ast.Call) and spelled(outer) in _CALLBACK_TAKERS
        if isinstance(up, (ast.stmt, *FUNCTIONS)):
            return False
    return False


@on_method("submit")
def submitted_and_dropped(view: View, call: ast.Call) -> None:
    """SUP109: only the `submit` of an executor; an unknown object counts when it is called a pool and given a function."""
    owner = receiver(call)
    if owner is None or not call.args:
        return
    found = view.instance(owner)
    if found is not None:
        if not view.project.is_a(found, FUTURE_MAKERS):
            return
        sure = HIGH
    else:
        name = spelled(owner).lower()
        if not name.endswith(("executor", "pool")) or not isinstance(
            call.args[0], (ast.Name, ast.Attribute, ast.Lambda)
        ):
            return
        sure = LOW
    _report_dropped_future(view, call, sure=sure)


@on_call("asyncio.run_coroutine_threadsafe")
def scheduled_and_dropped(view: View, call: ast.Call) -> None:
    """SUP109 for coroutines handed to the loop of another thread."""
    _report_dropped_future(view, call)


@on_method("run_in_executor")
def run_and_dropped(view: View, call: ast.Call) -> None:
    """SUP109 for the loop's own executor."""
    _report_dropped_future(view, call, sure=MEDIUM)


def _report_dropped_future(view: View, call: ast.Call, sure: Confidence = HIGH) -> None:
    fate = view.fate(call)
    if method(call) in ("submit", "run_in_executor") and _catches_all(view, call):
        return
    if fate.lambda_result or _observed(fate) or (fate.contained and fate.uses > 1 and not fate.dropped):
        return
    view.report("SUP109", call, "The future is dropped, and the job's exception with it", sure)


def _catches_all(view: View, call: ast.Call) -> bool:
    """Whether the job is a function of this file that lets no exception out: its body is one guarded try."""
    job = call.args[0] if method(call) == "submit" else call.args[1] if len(call.args) > 1 else None
    found = definition(view, job, view.scope(call)) if job is not None else None
    body = [item for item in found[0].body if not _is_harmless(item)] if found is not None else []
    return (
        len(body) == 1
        and isinstance(body[0], ast.Try)
        and any(handler.type is None or is_broad(view, handler) for handler in body[0].handlers)
    )


def _is_harmless(statement: ast.stmt) -> bool:
    return isinstance(statement, (ast.Pass, ast.Nonlocal, ast.Global)) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


@on_call("asyncio.gather")
def gather_leaves_siblings(view: View, call: ast.Call) -> None:
    """SUP115: several awaitables, awaited at once, without return_exceptions."""
    if keyword(call, "return_exceptions") is not None and not _is_false(keyword(call, "return_exceptions")):
        return
    if not call.args or (len(call.args) == 1 and not isinstance(call.args[0], ast.Starred)):
        return
    if any(word.arg is None for word in call.keywords) or view.is_test(call):
        return
    if isinstance(view.up(call), (ast.Await, ast.Return)):
        view.report("SUP115", call, "When one of these fails the others go on unobserved", MEDIUM)


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and not node.value
