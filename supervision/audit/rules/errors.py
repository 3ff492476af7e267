"""Pattern 8, exceptions: bare, swallowed, and cancellations that do not cancel (SUP801, SUP802, SUP807)."""

import ast
from collections.abc import Iterator

from supervision.audit.index import FUNCTIONS, LOOPS, walk
from supervision.audit.rules import on_node
from supervision.audit.rules.sends import spelled_types
from supervision.audit.view import HIGH, LOW, TRIES, View, calls_in, exits, method, raises, spelled

CLEANUP = frozenset(
    {"close", "aclose", "stop", "terminate", "kill", "cancel", "shutdown", "disconnect", "unlink", "remove", "rmtree",
     "rmdir", "release", "join", "flush", "unsubscribe", "unregister", "quit", "cleanup", "detach", "wait_closed",
     "rollback", "abort", "write_eof", "send_signal", "destroy", "killpg", "clear", "exit", "__exit__", "__aexit__",
     "server_close", "clean_up", "teardown", "tearDown", "dispose", "logout", "removeHandler", "restore", "reset",
     "deregister", "unlock", "end", "finish", "del_", "unbind", "remove_reader", "remove_writer", "discard",
     "remove_signal_handler", "loop_stop", "term", "set_wakeup_fd", "drain", "punsubscribe", "send_eof"}
)  # fmt: skip
_QUIET_WORDS = (
    "quiet",
    "silent",
    "safe",
    "ignore",
    "suppress",
    "best_effort",
    "swallow",
    "noexcept",
    "nofail",
)
_CLOSING_WORDS = (
    "close",
    "cleanup",
    "clean_up",
    "shutdown",
    "teardown",
    "dispose",
    "atexit",
    "__exit__",
    "disconnect",
)
_TELLERS = frozenset(
    {
        "debug",
        "info",
        "warning",
        "error",
        "exception",
        "critical",
        "log",
        "print",
        "str",
        "repr",
        "format",
        "type",
        "write",
    }
)
_PROBES = ("is_", "has_", "can_", "detect", "probe", "guess", "check_if", "sniff")
_CONVERSIONS = frozenset(
    {"int", "float", "bool", "str", "bytes", "repr", "len", "loads", "dumps", "decode", "encode", "fromisoformat", "uuid",
     "b64decode", "b64encode", "literal_eval", "strptime", "decimal", "getattr", "from_dict", "strip", "split", "copy",
     "deepcopy", "lower", "upper", "hex", "fromhex", "isinstance", "signature", "unquote", "urlparse"}
)  # fmt: skip
_NEVER_RAISE = frozenset({"__del__", "__repr__", "__str__", "__exit__", "__aexit__", "__unicode__"})


@on_node(ast.ExceptHandler)
def bare_except(view: View, node: ast.ExceptHandler) -> None:
    """SUP801: a bare except that does not raise again on every way out."""
    if node.type is None and not always_raises(node.body) and not _exits_pass(view, node):
        view.report("SUP801", node, "A bare except also takes SystemExit and KeyboardInterrupt")


def _exits_pass(view: View, node: ast.ExceptHandler) -> bool:
    """Whether an earlier handler lets SystemExit or KeyboardInterrupt through."""
    attempt = view.up(node)
    return isinstance(attempt, TRIES) and any(
        spelled_types(handler) & {"SystemExit", "KeyboardInterrupt", "BaseException"} and raises(handler.body)
        for handler in attempt.handlers
    )


def always_raises(body: list[ast.stmt]) -> bool:
    """Whether a handler ends by raising or by ending the process; a nested condition that raises counts too."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.Raise):
        return True
    if isinstance(last, ast.If):
        return always_raises(last.body) and always_raises(last.orelse)
    if isinstance(last, TRIES):
        return always_raises(last.finalbody) or (always_raises(last.body) and bool(last.body))
    if isinstance(last, (ast.With, ast.AsyncWith)):
        return always_raises(last.body)
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return spelled(last.value) in (
            "reraise",
            "_exit",
            "raise_from",
            "exit",
            "abort",
            "save_and_reraise_exception",
        )
    return False


@on_node(ast.ExceptHandler)
def error_swallowed(view: View, node: ast.ExceptHandler) -> None:
    """SUP802: a broad handler that does nothing, outside the places where that is the right thing."""
    if not is_broad(view, node) or not _does_nothing(node.body) or view.is_test(node):
        return
    if isinstance(node.body[-1], ast.Return) and _answers(view, node):
        return
    attempt = view.up(node)
    if not isinstance(attempt, TRIES):
        return
    if _may_be_quiet(view, attempt, node):
        return
    view.report("SUP802", node, "Any error ends here without a trace")


def is_broad(view: View, node: ast.ExceptHandler) -> bool:
    """Whether a handler takes Exception or BaseException by name."""
    if node.type is None:
        return False
    types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(view.canonical(item) in ("builtins.Exception", "builtins.BaseException") for item in types)


def _does_nothing(body: list[ast.stmt]) -> bool:
    for statement in body:
        if isinstance(statement, (ast.Pass, ast.Continue, ast.Break)):
            continue
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        if isinstance(statement, ast.Return) and (
            statement.value is None
            or (isinstance(statement.value, ast.Constant) and statement.value.value is None)
        ):
            continue
        return False
    return True


def _answers(view: View, node: ast.ExceptHandler) -> bool:
    """Whether the function returns values elsewhere, so that returning None is its answer (and SUP022's business)."""
    scope = view.function(node)
    return scope is not None and any(
        isinstance(item, ast.Return) and item.value is not None and not isinstance(item.value, ast.Constant)
        for item in walk(*view.body(scope))
    )


def _may_be_quiet(view: View, attempt: ast.Try | ast.TryStar, node: ast.ExceptHandler) -> bool:
    """Best-effort cleaning, probes of features, methods that must not raise, and cleaning up after another error."""
    scope = view.function(attempt)
    if scope is not None:
        name = scope.name.lower()
        if scope.name in _NEVER_RAISE or any(word in name for word in _QUIET_WORDS):
            return True
        if name.lstrip("_").startswith(_PROBES) or "support" in name or "available" in name:
            return True
        if any(word in name for word in _CLOSING_WORDS) and _only_cleans(attempt.body, strictly=False):
            return True
    if only_cleans_up(attempt.body):
        return True
    if _is_probe(attempt, at_module_level=scope is None) or _only_converts(attempt.body):
        return True
    return any(part in ("handlers", "finalbody") for _, part in view.branches(attempt))


def _only_converts(body: list[ast.stmt]) -> bool:
    """Whether a block tries if a value can be read as something, which every kind of error answers."""
    calls = list(calls_in(body))
    return bool(calls) and all(spelled(call.func).lower() in _CONVERSIONS for call in calls)


def only_cleans_up(body: list[ast.stmt]) -> bool:
    """Whether a block does nothing but close, stop or remove things."""
    return _only_cleans(body, strictly=True)


def _only_cleans(body: list[ast.stmt], *, strictly: bool) -> bool:
    cleaned = False
    for statement in body:
        if isinstance(statement, (ast.If, ast.For, ast.With)):
            if not _only_cleans(statement.body, strictly=strictly):
                return False
            cleaned = True
        elif isinstance(statement, ast.Expr):
            value = statement.value.value if isinstance(statement.value, ast.Await) else statement.value
            if not isinstance(value, ast.Call):
                return False
            nodes = walk(statement, into_functions=True)
            inner = {spelled(node.func) for node in nodes if isinstance(node, ast.Call)}
            if any(_cleans(name) for name in inner):
                cleaned = True
            elif strictly:
                return False
        elif isinstance(statement, (ast.Assign, ast.Delete, ast.Pass)):
            if isinstance(statement, ast.Delete):
                cleaned = True
        elif isinstance(statement, TRIES):
            if not _only_cleans(statement.body, strictly=strictly):
                return False
            cleaned = True
        else:
            return False
    return cleaned


def _cleans(name: str) -> bool:
    lowered = name.lower().strip("_")
    return lowered in CLEANUP or lowered.startswith(
        ("close", "stop", "shutdown", "cleanup", "remove", "kill", "cancel")
    )


def _is_probe(attempt: ast.Try | ast.TryStar, *, at_module_level: bool) -> bool:
    """A try that finds out what the platform has: it imports, or stands at module level and defines or decides."""
    for statement in attempt.body:
        for node in walk(statement):
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                return True
            if at_module_level and isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                return True
    if attempt.orelse:
        return True  # what the try found out is used in its else
    return any(
        isinstance(node, ast.Call) and spelled(node) in ("import_module", "find_spec", "__import__")
        for statement in attempt.body
        for node in walk(statement)
    )


# ------------------------------------------------------------------------------------------------ cancellation


@on_node(ast.ExceptHandler)
def cancellation_swallowed(view: View, node: ast.ExceptHandler) -> None:
    """SUP807: a coroutine that takes its cancellation and goes on, unless it awaits what it cancelled itself."""
    if not view.in_coroutine(node) or raises(node.body) or not _takes_cancellation(view, node):
        return
    attempt = view.up(node)
    if not isinstance(attempt, TRIES):
        return
    if not any(
        isinstance(item, (ast.Await, ast.AsyncFor, ast.AsyncWith)) for item in _in_block(attempt.body)
    ):
        return
    if _earlier_handler_raises(view, attempt, node) or view.guarded_by(attempt, "handlers", "finalbody"):
        return
    scope = view.scope(node)
    if any(method(call) in ("cancel", "cancelled", "uncancel") for call in calls_in(view.body(scope))):
        return
    if any(spelled(call).startswith("cancel") for call in calls_in(view.body(scope))):
        return
    if _collected(view, node):
        return
    if _goes_on(view, attempt, node):
        broad = node.type is None or "CancelledError" not in spelled_types(node)
        view.report(
            "SUP807", node, "The cancellation is caught, and the coroutine goes on", LOW if broad else HIGH
        )


def _in_block(body: list[ast.stmt]) -> Iterator[ast.AST]:
    for statement in body:
        yield from walk(statement)


def _takes_cancellation(view: View, node: ast.ExceptHandler) -> bool:
    if node.type is None:
        return True
    types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    return any(
        view.canonical(item) in ("asyncio.CancelledError", "builtins.BaseException")
        or (view.canonical(item) is None and spelled(item) == "CancelledError")
        for item in types
    )


def _collected(view: View, node: ast.ExceptHandler) -> bool:
    """Whether the exception is looked at or put somewhere for later, and not only written to the log."""
    for item in walk(*node.body):
        if isinstance(item, ast.Name) and item.id == node.name and isinstance(item.ctx, ast.Load):
            up = view.up(item)
            while isinstance(up, (ast.keyword, ast.FormattedValue, ast.JoinedStr, ast.Starred)):
                up = view.up(up)
            if not isinstance(up, ast.Call) or spelled(up.func) not in _TELLERS:
                return True
    return False


def _earlier_handler_raises(view: View, attempt: ast.Try | ast.TryStar, node: ast.ExceptHandler) -> bool:
    for handler in attempt.handlers:
        if handler is node:
            return False
        if _takes_cancellation(view, handler):
            return True
    return False


def _goes_on(view: View, attempt: ast.AST, node: ast.ExceptHandler) -> bool:
    """Whether anything is awaited after the handler: the next turn of a loop, or what follows in the function."""
    last = node.body[-1]
    if isinstance(last, ast.Continue):
        return True
    if isinstance(last, ast.Return) or exits(node.body):
        return False
    for child, up in view.index.climb(attempt):
        if isinstance(up, FUNCTIONS):
            return _awaits_after(up.body, child)
        if isinstance(up, LOOPS):
            return True
        for field in ("body", "orelse"):
            block = getattr(up, field, None)
            if isinstance(block, list) and _awaits_after(block, child):
                return True
    return False


def _awaits_after(block: list[ast.stmt], child: ast.AST) -> bool:
    """Whether the statements after `child` wait for more than the cleaning up."""
    position = next((i for i, item in enumerate(block) if item is child), None)
    if position is None:
        return False
    for node in _in_block(block[position + 1 :]):
        if isinstance(node, (ast.AsyncFor, ast.AsyncWith)):
            return True
        if isinstance(node, ast.Await) and not _cleans(spelled(node.value)):
            return True
    return False
