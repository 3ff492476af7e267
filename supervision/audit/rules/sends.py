"""Pattern 3: sends whose fate nobody follows, to queues, processes and channels."""

import ast

from supervision.audit.index import FUNCTIONS, Scope, walk
from supervision.audit.rules import on_call, on_method
from supervision.audit.rules.frameworks import enqueues
from supervision.audit.view import (
    MEDIUM,
    View,
    constant,
    function_node,
    keyword,
    method,
    receiver,
    spelled,
)

_COMMAND_WORDS = ("stop", "start", "restart", "command", "cmd", "kill", "shutdown", "cancel", "reload", "pause",
                  "resume", "control", "quit", "terminate", "scale")  # fmt: skip
_READS = frozenset(
    {"read", "read_text", "readline", "readlines", "read_bytes", "hget", "hgetall", "fetchone"}
)
_STEPS = frozenset(
    {"strip", "rstrip", "lstrip", "decode", "split", "splitlines", "partition", "group", "pop"}
)
_LOADERS = frozenset(
    {"json.load", "json.loads", "pickle.load", "pickle.loads", "yaml.safe_load", "tomllib.load"}
)
_IDENTITY = (
    "create_time",
    "start_time",
    "starttime",
    "cmdline",
    "boot_id",
    "is_running",
    "pidfd",
    "cmd",
    "exe",
)


# ------------------------------------------------------------------------------------------------------ tasks


@on_method("delay", "apply_async", "send_task")
def enqueue_in_transaction(view: View, call: ast.Call) -> None:
    """SUP301: inside `with atomic()` or an atomic function, not handed to on_commit."""
    if not _in_transaction(view, call) or view.in_lambda(call) or not enqueues(view, call):
        return
    view.report("SUP301", call, f"{spelled(receiver(call))} is enqueued before the transaction commits")


def _in_transaction(view: View, node: ast.AST) -> bool:
    if any(_is_atomic(view, item) for item in view.withs(node)):
        return True
    function = function_node(view.function(node))
    return function is not None and any(_is_atomic(view, item) for item in function.decorator_list)


def _is_atomic(view: View, node: ast.expr) -> bool:
    target = node.func if isinstance(node, ast.Call) else node
    return view.canonical(target) in (
        "django.db.transaction.atomic", "django.db.transaction.commit_on_success", "sqlalchemy.orm.Session.begin",
    )  # fmt: skip


@on_method("delay", "apply_async")
def fire_and_forget(view: View, call: ast.Call) -> None:
    """SUP302: the statement throws the result away, and the task is known to keep none and to have no error callback."""
    if (
        not isinstance(view.up(call), ast.Expr)
        or keyword(call, "link_error") is not None
        or view.is_test(call)
    ):
        return
    owner = receiver(call)
    found = view.canonical(owner) if owner is not None else None
    function = view.project.function_of(found) if found else None
    ignored = function is not None and "ignore_result=True" in function.options
    if (ignored or constant(keyword(call, "ignore_result")) is True) and enqueues(view, call):
        view.report("SUP302", call, f"Nobody hears of the result or the failure of {spelled(owner)}", MEDIUM)


# ----------------------------------------------------------------------------------------------------- signals


@on_call("os.kill", "os.killpg")
def signal_to_stored_pid(view: View, call: ast.Call) -> None:
    """SUP303: the pid was read from a file or a record, and no identity is compared."""
    if len(call.args) < 2 or constant(call.args[1]) == 0:
        return
    origin = _origin(view, call.args[0], view.scope(call), 0)
    if origin is None or _identity_checked(view, call, call.args[0]):
        return
    view.report("SUP303", call, f"The pid comes from {origin}; the process may be another one by now", MEDIUM)


def _origin(view: View, node: ast.AST | None, scope: Scope, depth: int) -> str | None:
    """Where a stored pid was read from, or None when it was not (or nothing tells)."""
    if node is None or depth > 8:
        return None
    if isinstance(node, ast.Name):
        owner = scope.lookup(node.id)
        for binding in owner.bindings[node.id] if owner is not None else ():
            if binding.kind in ("value", "unpack", "loop"):
                found = _origin(view, binding.node, view.index.scope_of(binding.at), depth + 1)
                if found:
                    return found
        return None
    if isinstance(node, ast.Call):
        return _origin_of_call(view, node, scope, depth)
    if isinstance(node, ast.Subscript):
        return _origin(view, node.value, scope, depth + 1)
    if isinstance(node, (ast.IfExp, ast.BoolOp)):
        parts = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
        return next((found for part in parts if (found := _origin(view, part, scope, depth + 1))), None)
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        return _origin(view, node.generators[0].iter, scope, depth + 1)
    if isinstance(node, ast.Attribute) and node.attr in ("pid", "process_id", "worker_pid"):
        return "a record" if _is_record(view, node.value, scope, depth) else None
    return None


def _origin_of_call(view: View, node: ast.Call, scope: Scope, depth: int) -> str | None:
    callee = view.callee(node) or ""
    if callee in _LOADERS:
        return "stored data"
    if callee in (
        "builtins.int",
        "builtins.map",
        "builtins.list",
        "builtins.set",
        "builtins.next",
        "builtins.str",
    ):
        return next((found for arg in node.args if (found := _origin(view, arg, scope, depth + 1))), None)
    verb = method(node)
    if verb in _READS:
        return "a file" if verb.startswith("read") else "a record"
    if verb in _STEPS:
        return _origin(view, receiver(node), scope, depth + 1)
    if verb == "get" and _is_store(view, receiver(node)):
        return "a store"
    function = view.project.function_of(callee)
    if function is not None:
        for maker, inner in view.index.scopes.items():
            if view.names.dotted(inner) == callee and isinstance(maker, FUNCTIONS):
                for statement in walk(*maker.body):
                    if isinstance(statement, ast.Return):
                        found = _origin(view, statement.value, inner, depth + 1)
                        if found:
                            return found
        name = callee.rsplit(".", 1)[-1].lower()
        return "a pid file" if "read" in name and "pid" in name else None
    return None


def _is_store(view: View, node: ast.expr | None) -> bool:
    if node is None:
        return False
    found = view.instance(node)
    if found is not None:
        return found.startswith(("redis.", "django.core.cache"))
    return view.canonical(node) == "django.core.cache.cache" or spelled(node).lower() in (
        "redis",
        "r",
        "cache",
    )


def _is_record(view: View, node: ast.expr, scope: Scope, depth: int) -> bool:
    if isinstance(node, ast.Name):
        owner = scope.lookup(node.id)
        return owner is not None and any(
            isinstance(item.node, ast.expr)
            and item.kind in ("value", "loop")
            and ".objects." in ast.unparse(item.node)
            for item in owner.bindings[node.id]
        )
    return False


def _identity_checked(view: View, call: ast.Call, pid: ast.expr) -> bool:
    """Whether the function compares what runs under the pid with what it expects."""
    names = {node.id for node in walk(pid) if isinstance(node, ast.Name)}
    function = view.function(call)
    body = view.body(function) if function is not None else view.index.tree.body
    for node in walk(*body):
        if isinstance(node, (ast.Name, ast.Attribute)):
            name = spelled(node)
            if any(name == word or (len(word) > 4 and word in name) for word in _IDENTITY):
                return True
        if isinstance(node, ast.Compare):
            for part in walk(node):
                if (
                    isinstance(part, ast.Call)
                    and any(isinstance(item, ast.Name) and item.id in names for item in part.args)
                    and view.callee(part) not in ("builtins.int", "os.kill", "builtins.len")
                ):
                    return True
    return False


# ---------------------------------------------------------------------------------------------------- channels


@on_method("send")
def channel_send(view: View, call: ast.Call) -> None:
    """SUP304: a send to a channel layer outside a try that could see ChannelFull."""
    owner = receiver(call)
    if owner is None or len(call.args) < 2 or view.is_test(call):
        return
    if (
        view.instance(owner) != "channels.layers.BaseChannelLayer"
        and not spelled(owner).endswith("channel_layer")
        and not (spelled(owner) == "layer" and isinstance(view.up(call), ast.Await))
    ):
        return
    for attempt, part in view.branches(call):
        if part == "body" and any(
            handler.type is None or spelled_types(handler) & {"ChannelFull", "Exception", "BaseException"}
            for handler in attempt.handlers
        ):
            return
    view.report("SUP304", call, "A full channel raises ChannelFull here, and nothing handles it", MEDIUM)


def spelled_types(handler: ast.ExceptHandler) -> set[str]:
    """The last names of the exceptions that a handler catches."""
    if handler.type is None:
        return set()
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {spelled(item) for item in types}


@on_method("publish")
def command_by_publish(view: View, call: ast.Call) -> None:
    """SUP305: a publish on Redis whose channel or payload is a command."""
    owner = receiver(call)
    if owner is None or len(call.args) < 2:
        return
    found = view.instance(owner)
    if found is not None and not found.startswith("redis."):
        return
    if (
        found is None
        and not any(word in spelled(owner).lower() for word in ("redis", "client", "conn"))
        and spelled(owner) != "r"
    ):
        return
    words = [
        node.value for argument in call.args[:2] for node in walk(argument) if isinstance(node, ast.Constant)
    ]
    texts = [word.lower() for word in words if isinstance(word, str)]
    if any(word in text for text in texts for word in _COMMAND_WORDS):
        view.report("SUP305", call, "The command is lost when nobody listens at this moment", MEDIUM)
