"""Pattern 8, waits without an end: SUP803, SUP804, SUP805, SUP808, SUP809, SUP811."""

import ast
from pathlib import PurePosixPath

from supervision.audit.index import FunctionNode, Scope, walk
from supervision.audit.knowledge import HTTP_VERBS
from supervision.audit.rules import on_call, on_method, on_node
from supervision.audit.rules.frameworks import task_decorator
from supervision.audit.rules.sends import spelled_types
from supervision.audit.view import (
    HIGH,
    LOW,
    MEDIUM,
    View,
    argument,
    constant,
    has_star_kwargs,
    keyword,
    method,
    receiver,
    spelled,
)

_REQUESTS = [f"requests.{verb}" for verb in sorted(HTTP_VERBS)] + [
    f"requests.Session.{verb}" for verb in sorted(HTTP_VERBS)
]
_WITHOUT_DEFAULT = {
    "urllib.request.urlopen": 2,
    "http.client.HTTPConnection": 2,
    "http.client.HTTPSConnection": 2,
}
# The position of the time-out (None: only by name) and the names that set it.
_CONNECTIONS: dict[str, tuple[int | None, tuple[str, ...]]] = {
    "redis.Redis": (None, ("socket_timeout", "socket_connect_timeout", "connection_pool")),
    "redis.from_url": (None, ("socket_timeout", "socket_connect_timeout")),
    "redis.Redis.from_url": (None, ("socket_timeout", "socket_connect_timeout")),
    "redis.asyncio.Redis": (None, ("socket_timeout", "socket_connect_timeout", "connection_pool")),
    "redis.asyncio.from_url": (None, ("socket_timeout", "socket_connect_timeout")),
    "redis.asyncio.Redis.from_url": (None, ("socket_timeout", "socket_connect_timeout")),
    "socket.create_connection": (1, ("timeout",)),
    "smtplib.SMTP": (3, ("timeout",)),
    "smtplib.SMTP_SSL": (5, ("timeout",)),
    "ftplib.FTP": (4, ("timeout",)),
    "ftplib.FTP_TLS": (5, ("timeout",)),
    "imaplib.IMAP4": (2, ("timeout",)),
    "imaplib.IMAP4_SSL": (None, ("timeout",)),
    "poplib.POP3": (2, ("timeout",)),
    "telnetlib.Telnet": (2, ("timeout",)),
    "psycopg2.connect": (None, ("connect_timeout",)),
    "psycopg.connect": (None, ("connect_timeout",)),
    "psycopg.Connection.connect": (None, ("connect_timeout",)),
    "pymysql.connect": (None, ("connect_timeout", "read_timeout")),
    "MySQLdb.connect": (None, ("connect_timeout", "read_timeout")),
}
_INTERACTIVE = (
    "shell",
    "editor",
    "edit",
    "pager",
    "interactive",
    "repl",
    "console",
    "browser",
    "prompt",
    "ipython",
    "tty",
)
_SCRIPTS = frozenset({"setup.py", "noxfile.py", "conf.py", "fabfile.py", "conftest.py", "tasks.py"})
_STOPPING = ("stop", "close", "shutdown", "terminate", "__exit__", "__aexit__", "teardown", "cleanup", "disconnect",
             "finalize", "on_stop", "on_close", "dispose", "kill", "__del__", "quit", "exit")  # fmt: skip


@on_call(*_REQUESTS, *_WITHOUT_DEFAULT)
def http_no_timeout(view: View, call: ast.Call) -> None:
    """SUP803: clients that have no time-out unless they are given one."""
    callee = view.callee(call) or ""
    given = keyword(call, "timeout")
    position = _WITHOUT_DEFAULT.get(callee)
    if given is None and position is not None:
        given = argument(call, position, "timeout")
    if given is not None:
        if not (isinstance(given, ast.Constant) and given.value is None):
            return
    elif has_star_kwargs(call) or any(isinstance(item, ast.Starred) for item in call.args):
        return
    if isinstance(view.up(call), ast.Await):
        return  # a subclass that made it asynchronous
    if callee.startswith(("urllib", "http.client")) and "setdefaulttimeout" in _attributes(view):
        return
    view.report("SUP803", call, f"{callee} without a timeout", LOW if view.is_test(call) else HIGH)


@on_call(*(f"httpx.{name}" for name in (*sorted(HTTP_VERBS), "Client", "AsyncClient")))
def http_timeout_off(view: View, call: ast.Call) -> None:
    """SUP803: this client has a time-out, until it is told to have none."""
    given = keyword(call, "timeout")
    if given is not None and _is_none(given):
        view.report("SUP803", call, f"{view.callee(call)} with its timeout switched off")


@on_call("paramiko.SSHClient.connect")
def ssh_no_timeout(view: View, call: ast.Call) -> None:
    """SUP805 for SSH."""
    if keyword(call, "timeout") is None and not has_star_kwargs(call) and not view.is_test(call):
        view.report("SUP805", call, "The SSH connection has no timeout", MEDIUM)


def _attributes(view: View) -> frozenset[str]:
    known = view.cache.get("attributes")
    if isinstance(known, frozenset):
        return known
    found = frozenset(node.attr for node in view.index.of(ast.Attribute) if isinstance(node, ast.Attribute))
    view.cache["attributes"] = found
    return found


@on_call("subprocess.run", "subprocess.call", "subprocess.check_call", "subprocess.check_output")
def subprocess_no_timeout(view: View, call: ast.Call) -> None:
    """SUP804, but not for commands that a person is using, nor for a program that only wraps another one."""
    given = keyword(call, "timeout")
    if (
        given is not None and not (isinstance(given, ast.Constant) and given.value is None)
    ) or has_star_kwargs(call):
        return
    if view.is_test(call) or PurePosixPath(view.path).name in _SCRIPTS or _for_a_person(view, call):
        return
    up = view.up(call)
    if isinstance(up, ast.Call) and view.callee(up) in ("sys.exit", "builtins.exit", "os._exit"):
        return
    view.report("SUP804", call, f"{view.callee(call)} without a timeout")


def _for_a_person(view: View, call: ast.Call) -> bool:
    """Whether the command is interactive: an editor, a shell, a pager, by the names around it or its arguments."""
    if any(item.arg in ("capture_output", "stdout", "input") for item in call.keywords):
        return False
    for attempt, part in view.branches(call):
        if part == "body" and any(
            "KeyboardInterrupt" in spelled_types(handler) for handler in attempt.handlers
        ):
            return True  # whoever sits there ends it
    if (view.callee(call) or "").endswith("check_output"):
        return False
    names = [scope.name.lower() for scope in view.scope(call).chain()]
    if call.args:
        names += [
            spelled(node).lower()
            for node in walk(call.args[0])
            if isinstance(node, (ast.Name, ast.Attribute))
        ]
    return any(
        name.endswith(word) or name.startswith(word) for name in names if name for word in _INTERACTIVE
    )


@on_call(*_CONNECTIONS)
def connection_no_timeout(view: View, call: ast.Call) -> None:
    """SUP805."""
    callee = view.callee(call) or ""
    position, names = _CONNECTIONS[callee]
    if any(item.arg in names and not _is_none(item.value) for item in call.keywords) or has_star_kwargs(call):
        return
    if position is not None and len(call.args) > position:
        return
    if callee.startswith(("psycopg", "pymysql", "MySQLdb")) and any(
        "timeout" in ast.dump(item) for item in call.args
    ):
        return
    if callee.endswith("from_url") and any("timeout" in ast.dump(item) for item in call.args):
        return
    if "setdefaulttimeout" in _attributes(view) or view.is_test(call):
        return
    if callee == "socket.create_connection" and view.fate(call).does("settimeout", "setblocking"):
        return
    if (
        callee.startswith(("smtplib", "ftplib", "poplib"))
        and not call.args
        and any(item.arg == "host" for item in call.keywords) is False
        and callee != "smtplib.SMTP"
    ):
        return
    view.report("SUP805", call, f"{callee} without a timeout", MEDIUM)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


# ----------------------------------------------------------------------------------------------------- Celery


@on_node(ast.FunctionDef)
def task_limits(view: View, node: FunctionNode) -> None:
    """SUP808 and SUP809 for decorated tasks."""
    decorator = task_decorator(view, view.index.scopes[node])
    if decorator is None or view.is_test(node):
        return
    options = {item.arg: item.value for item in decorator.keywords} if isinstance(decorator, ast.Call) else {}
    if None in options:
        return
    limited = any(
        name in options and not _is_none(options[name]) for name in ("time_limit", "soft_time_limit")
    )
    if not limited and "time-limit" not in view.project.facts:
        view.report("SUP808", node, f"The task {node.name} has no time limit", MEDIUM)
    if "max_retries" in options and _is_none(options["max_retries"]):
        view.report("SUP809", node, f"The task {node.name} is retried without end")
    retrying = options.get("retry_kwargs")
    if isinstance(retrying, ast.Dict):
        for key, value in zip(retrying.keys, retrying.values, strict=True):
            if constant(key) == "max_retries" and _is_none(value):
                view.report("SUP809", node, f"The task {node.name} is retried without end")


@on_method("retry")
def retry_without_end(view: View, call: ast.Call) -> None:
    """SUP809: `self.retry(max_retries=None)` in a task."""
    given = keyword(call, "max_retries")
    if (
        given is not None
        and _is_none(given)
        and any(
            task_decorator(view, scope) is not None
            for scope in view.scope(call).chain()
            if scope.kind == "function"
        )
    ):
        view.report("SUP809", call, "The task is retried without end")


# ------------------------------------------------------------------------------------------------------- stops


@on_method("join", "wait", "acquire", "get")
def wait_without_timeout(view: View, call: ast.Call) -> None:
    """SUP811: on the way down, a wait of the thread and process world that has no end."""
    scope = view.function(call)
    if (
        call.args
        or call.keywords
        or scope is None
        or not _stops(scope)
        or scope.is_async
        or view.is_test(call)
    ):
        return
    owner = receiver(call)
    found = view.instance(owner) if owner is not None else None
    verb = method(call)
    if found is None:
        if verb != "join" and not (verb == "wait" and "proc" in spelled(owner).lower()):
            return
        if view.canonical(owner) is not None if owner is not None else True:
            return
    elif not found.startswith(
        ("threading.", "multiprocessing.", "queue.", "subprocess.")
    ) and not view.project.is_a(
        found, frozenset({"threading.Thread", "multiprocessing.Process", "subprocess.Popen"})
    ):
        return
    if _killed_before(view, scope, owner):
        return
    view.report("SUP811", call, f"{scope.name}() can hang here", MEDIUM)


def _stops(scope: Scope) -> bool:
    name = scope.name.lower().strip("_")
    return any(
        name == word.strip("_") or name.startswith(f"{word}_") or name.endswith(f"_{word}")
        for word in _STOPPING
    )


def _killed_before(view: View, scope: Scope, owner: ast.expr | None) -> bool:
    """After kill() a child ends for certain: waiting for it is reaping."""
    text = ast.unparse(owner) if owner is not None else ""
    return any(
        isinstance(node, ast.Call) and method(node) == "kill" and ast.unparse(node.func.value) == text
        for node in walk(*view.body(scope))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    )
