"""Pattern 4: registrations and timers that nothing takes back."""

import ast

from supervision.audit.index import Scope, walk
from supervision.audit.knowledge import LOOPS
from supervision.audit.rules import on_call, on_file, on_method
from supervision.audit.rules.frameworks import in_request, is_entry_point
from supervision.audit.rules.making import made
from supervision.audit.view import (
    HIGH,
    MEDIUM,
    View,
    constant,
    keyword,
    method,
    receiver,
    same,
    spelled,
)

# Modules of these names are programs and own the signals of their process.
_PROGRAMS = frozenset(
    {"__main__", "cli", "run", "main", "command", "commands", "scripts", "bin", "runner", "daemon"}
)
_TIMER_HELD = frozenset({"cancel", "join", "passed", "returned", "is_alive"})
_PUBSUB_CLOSED = ("close", "aclose", "unsubscribe", "punsubscribe", "reset", "__aexit__", "__exit__")


# ------------------------------------------------------------------------------------------------------ timers


@on_file
def timer_not_cancelled(view: View) -> None:
    """SUP110 for threading.Timer."""
    for item in made(view):
        if item.kind != "timer" or not item.started or view.is_test(item.call):
            continue
        fate = item.fate
        if (
            fate.entered
            or fate.returned
            or fate.yielded
            or fate.passed
            or fate.does("cancel", "join", "is_alive")
        ):
            continue
        if any(slot.kind == "foreign" for slot in fate.stored) or view.handles.slot_verbs(fate) & _TIMER_HELD:
            continue
        how = (
            "kept and never cancelled" if fate.stored or fate.globals else "started and nobody can cancel it"
        )
        view.report("SUP110", item.call, f"The timer is {how}", MEDIUM)


@on_method("call_later", "call_at")
def scheduled_call_dropped(view: View, call: ast.Call) -> None:
    """SUP110 for the timers of event loops."""
    owner = receiver(call)
    if owner is None or len(call.args) < 2:
        return
    found = view.instance(owner)
    if found is not None:
        if not view.project.is_a(found, LOOPS):
            return
    elif not spelled(owner).lower().rstrip("_").endswith("loop"):
        return
    if constant(call.args[0]) == 0:
        return
    fate = view.fate(call)
    if fate.entered or fate.returned or fate.yielded or fate.passed or fate.methods or fate.lambda_result:
        return
    if fate.stored and (
        any(slot.kind != "attribute" for slot in fate.stored) or view.handles.slot_verbs(fate) & _TIMER_HELD
    ):
        return
    if fate.globals:
        return
    how = "kept and never cancelled" if fate.stored else "dropped"
    if not view.is_test(call):
        view.report("SUP110", call, f"The handle of the scheduled call is {how}", MEDIUM)


# --------------------------------------------------------------------------------------------------- listeners


@on_method("connect")
def receiver_not_disconnected(view: View, call: ast.Call) -> None:
    """SUP401: a signal connected for an instance or in a request, strongly, and disconnected nowhere in the file."""
    owner = receiver(call)
    scope = view.function(call)
    if owner is None or scope is None or not call.args or view.is_test(call):
        return
    known = _is_signal(view, owner)
    weak = keyword(call, "weak")
    if not known and weak is None:
        return
    strong = constant(weak) is False
    per_instance = scope.name in ("__init__", "__new__", "__post_init__", "connect", "open", "start")
    if not (per_instance and scope.enclosing_class() is not None) and not in_request(view, call):
        return
    if not strong and not isinstance(call.args[0], ast.Lambda):
        return
    if any(_disconnects(node, owner) for node in view.index.of(ast.Call)):
        return
    view.report(
        "SUP401", call, f"{spelled(owner)} is connected here each time and disconnected nowhere", MEDIUM
    )


def _is_signal(view: View, node: ast.expr) -> bool:
    found = view.canonical(node) or ""
    return ".signals." in found or found in ("django.dispatch.Signal()", "blinker.Signal()")


def _disconnects(node: ast.AST, owner: ast.expr) -> bool:
    return isinstance(node, ast.Call) and method(node) == "disconnect" and same(receiver(node), owner)


@on_call("signal.signal")
def handler_not_restored(view: View, call: ast.Call) -> None:
    """SUP402: library code that replaces a handler without saving the old one; entry points own their process."""
    scope = view.function(call)
    if scope is None or view.is_test(call) or is_entry_point(view, call) or len(call.args) < 2:
        return
    if _PROGRAMS & set(view.index.module.split(".")):
        return
    if not isinstance(view.up(call), ast.Expr) or "signal" in scope.name.lower():
        return
    owner = scope.enclosing_class()
    around = owner if owner is not None else scope
    if _saves_handlers(view, around) or _installed_by_process(view, scope):
        return
    if view.canonical(call.args[1]) == "signal.SIG_DFL":
        return  # that is putting it back
    view.report("SUP402", call, "The old handler is neither saved nor put back", MEDIUM)


def _saves_handlers(view: View, scope: Scope) -> bool:
    """Whether the function or class reads the old handlers, by getsignal or from the result of signal."""
    inside = set(map(id, scope.below()))
    for node in view.index.of(ast.Call):
        if isinstance(node, ast.Call) and id(view.scope(node)) in inside:
            if view.callee(node) == "signal.getsignal":
                return True
            if view.callee(node) == "signal.signal" and not isinstance(view.up(node), ast.Expr):
                return True
    return False


def _installed_by_process(view: View, scope: Scope) -> bool:
    """Whether the function is the start of a process of its own: it forks, detaches, or is a worker's main."""
    owner = scope.enclosing_class()
    if owner is not None and any("signal" in inner.name.lower() for inner in owner.children):
        return True  # the class owns the signals of its process
    if scope.name in ("run", "serve", "serve_forever", "start", "loop", "mainloop", "daemonize", "__call__"):
        return owner is not None
    words = ("worker", "child", "process", "daemon", "preexec", "initializer", "init_", "setup", "after_fork")
    return any(word in scope.name.lower() for word in words)


@on_method("add_reader", "add_writer")
def reader_not_removed(view: View, call: ast.Call) -> None:
    """SUP403 for event loops: the counterpart is called nowhere in the file."""
    wanted = (method(call) or "").replace("add_", "remove_")
    if len(call.args) < 2 or view.is_test(call) or _called_in_file(view, wanted, f"_{wanted}"):
        return
    owner = receiver(call)
    found = view.instance(owner) if owner is not None else None
    if found is not None and not view.project.is_a(found, LOOPS):
        return
    if found is None and (
        not spelled(owner).lower().endswith("loop") or view.project.defines_method(method(call) or "")
    ):
        return  # the project has loops of its own
    view.report("SUP403", call, f"{method(call)} without {wanted}", MEDIUM)


@on_method("register")
def registration_not_removed(view: View, call: ast.Call) -> None:
    """SUP403 for selectors: neither unregister nor a close of the selector."""
    owner = receiver(call)
    found = view.instance(owner) if owner is not None else None
    if (
        owner is None
        or found not in ("selectors.BaseSelector", "select.epoll", "select.poll")
        or view.is_test(call)
    ):
        return
    if _called_in_file(view, "unregister") or view.fate(owner).entered:
        return
    if any(
        isinstance(node, ast.Call) and method(node) == "close" and same(receiver(node), owner)
        for node in view.index.of(ast.Call)
    ):
        return
    if isinstance(owner, ast.Name) and found != "selectors.BaseSelector":
        return  # it goes when the function returns
    if isinstance(owner, ast.Name) and _entered(view, owner):
        return
    view.report("SUP403", call, "register without unregister or a close of the selector", MEDIUM)


def _entered(view: View, name: ast.Name) -> bool:
    owner = view.scope(name).lookup(name.id)
    return owner is not None and any(binding.kind == "with" for binding in owner.bindings[name.id])


def _called_in_file(view: View, *names: str) -> bool:
    return any(
        isinstance(node, ast.Attribute) and node.attr in names for node in view.index.of(ast.Attribute)
    )


# ---------------------------------------------------------------------------------------------------- channels


@on_method("group_add")
def group_not_discarded(view: View, call: ast.Call) -> None:
    """SUP404: a consumer joins a group, and no class of its family leaves one."""
    owner = view.class_name(call)
    if owner is None or view.is_test(call):
        return
    for summary in view.project.family(owner):
        if (
            any("group_discard" in verbs for verbs in summary.verbs.values())
            or "group_discard" in summary.methods
        ):
            return
    scope = view.scope(call).enclosing_class()
    if scope is not None and any(
        isinstance(node, ast.Attribute) and node.attr == "group_discard"
        for node in walk(scope.node, into_functions=True)
    ):
        return
    view.report("SUP404", call, "The group is joined and never left", HIGH)


@on_method("pubsub")
def subscription_not_closed(view: View, call: ast.Call) -> None:
    """SUP405: neither entered, closed, unsubscribed nor handed over."""
    owner = receiver(call)
    if owner is None or call.args:
        return
    found = view.instance(owner)
    if found is not None and not found.startswith("redis.") and view.project.is_ours(found):
        return
    fate = view.fate(call)
    if (
        fate.entered
        or fate.returned
        or fate.yielded
        or fate.passed
        or fate.does(*_PUBSUB_CLOSED)
        or fate.dropped
    ):
        return
    if fate.stored and (
        any(slot.kind != "attribute" for slot in fate.stored)
        or view.handles.slot_verbs(fate) & {*_PUBSUB_CLOSED, "passed", "returned", "with"}
    ):
        return
    view.report("SUP405", call, "The subscription is neither closed nor unsubscribed", MEDIUM)
