"""Pattern 11: errors that leave no trace (SUP022), and what counts as a trace."""

import ast

from supervision.audit.index import walk
from supervision.audit.rules import on_node
from supervision.audit.view import LOW, TRIES, View, spelled

_TRACES = frozenset(
    {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log", "msg", "print", "inc", "incr",
     "increment", "count", "observe", "gauge", "histogram", "timing", "capture_exception", "capture_message", "report",
     "record", "record_exception", "emit", "notify", "set_exception", "add_event", "trace", "print_exc", "excepthook",
     "format_exc", "send_error", "secho", "echo", "write", "fail", "abort", "exit", "err", "failure", "mark", "blather"}
)  # fmt: skip
_WORTH_A_TRACE = frozenset(
    {"Exception", "BaseException", "OSError", "IOError", "ConnectionError", "ConnectionResetError", "RequestException",
     "ConnectionRefusedError", "DatabaseError", "OperationalError", "InterfaceError", "RedisError", "CalledProcessError",
     "SubprocessError", "HTTPError", "URLError", "ClientError", "BrokenPipeError", "MemoryError", "SMTPException"}
)  # fmt: skip


def leaves_trace(view: View, body: list[ast.stmt]) -> bool:
    """Whether a block logs, counts, prints, raises or hands the error on."""
    for statement in body:
        for node in walk(statement):
            if isinstance(node, ast.Raise):
                return True
            if isinstance(node, ast.Call):
                name = spelled(node.func).lower().strip("_")
                if name in _TRACES or name.startswith(
                    ("log", "report", "record", "handle", "on_", "notify", "count")
                ):
                    return True
                if name.endswith(("error", "exception", "failed", "failure")):
                    return True
            if isinstance(node, ast.AugAssign):
                return True
    return False


@on_node(ast.ExceptHandler)
def except_without_telemetry(view: View, node: ast.ExceptHandler) -> None:
    """SUP022: an error of the outside world answered by a value, the exception itself not looked at."""
    if node.type is None or view.is_test(node) or not node.body:
        return
    types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    if not any(spelled(item) in _WORTH_A_TRACE for item in types) or leaves_trace(view, node.body):
        return
    last = node.body[-1]
    if not isinstance(last, ast.Return) or last.value is None or len(node.body) > 2:
        return
    if isinstance(last.value, ast.Constant) and isinstance(last.value.value, bool):
        return  # a question was asked, and this is the answer
    if node.name and any(isinstance(part, ast.Name) and part.id == node.name for part in walk(*node.body)):
        return
    attempt = view.up(node)
    if isinstance(attempt, TRIES) and any(
        isinstance(part, (ast.Import, ast.ImportFrom)) for part in attempt.body
    ):
        return
    view.report("SUP022", node, "The error is answered with a value and leaves no trace", LOW)
