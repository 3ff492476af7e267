"""Pattern 9: files, sockets, locks, temporary files, sessions and descriptors that are not given back."""

import ast

from supervision.audit.handles import Fate
from supervision.audit.knowledge import LOCKS
from supervision.audit.rules import on_call, on_method
from supervision.audit.view import (
    HIGH,
    LOW,
    MEDIUM,
    View,
    calls_in,
    constant,
    keyword,
    method,
    receiver,
    same,
    spelled,
)

_OPENERS = ("builtins.open", "pathlib.Path.open", "os.fdopen", "gzip.open", "bz2.open", "lzma.open", "tarfile.open",
            "zipfile.ZipFile", "gzip.GzipFile", "shelve.open", "wave.open")  # fmt: skip
_SOCKETS = ("socket.socket", "socket.create_connection", "socket.create_server", "socket.fromfd")
_SESSIONS = ("requests.Session", "aiohttp.ClientSession", "httpx.Client", "httpx.AsyncClient", "sqlite3.connect",
             "psycopg2.connect", "psycopg.connect", "psycopg.Connection.connect", "pymysql.connect", "MySQLdb.connect",
             "smtplib.SMTP", "smtplib.SMTP_SSL", "ftplib.FTP", "aiosqlite.connect", "paramiko.SSHClient")  # fmt: skip
_CLOSERS = ("close", "aclose", "__exit__", "__aexit__", "detach", "quit", "disconnect", "terminate")
_CLOSED_ELSEWHERE = frozenset({*_CLOSERS, "with", "returned", "passed", "await", "shutdown", "stop"})
_REMOVERS = frozenset(
    {"os.remove", "os.unlink", "os.rmdir", "shutil.rmtree", "os.rename", "os.replace", "shutil.move", "os.removedirs",
     "atexit.register", "weakref.finalize"}
)  # fmt: skip
# What uses a path or a descriptor and leaves it where it is.
_USES_PATH = ("os.path.", "builtins.", "io.", "subprocess.", "shutil.copy", "os.chmod", "os.chown", "os.stat", "os.listdir",
              "os.makedirs", "os.mkdir", "os.system", "json.", "logging.", "os.utime", "os.access", "os.walk",
              "os.chdir", "os.write", "os.read", "os.close", "os.fdopen", "os.fsync", "os.environ")  # fmt: skip
_USES_FD = frozenset(
    f"os.{name}" for name in ("write", "read", "fsync", "fstat", "set_inheritable", "set_blocking", "lseek",
                              "ftruncate", "isatty", "fchmod", "fchown", "fdatasync", "get_terminal_size", "ttyname")
) | {"fcntl.fcntl", "fcntl.flock", "fcntl.lockf", "fcntl.ioctl", "select.select", "termios.tcgetattr", "builtins.print",
     "termios.tcsetattr", "builtins.str", "builtins.int", "builtins.repr", "subprocess.Popen", "subprocess.run"}  # fmt: skip


def _handed_over(fate: Fate) -> bool:
    return bool(
        fate.entered or fate.returned or fate.yielded or fate.passed or fate.raised or fate.lambda_result
    )


def _kept_and_closed(view: View, fate: Fate) -> bool:
    """Whether the handle was put where somebody closes it: unknown places count, an attribute is looked up."""
    if fate.globals or any(slot.kind == "global" for slot in fate.stored):
        return True
    known = [slot for slot in fate.stored if slot.owner is not None and slot.kind == "attribute"]
    if len(known) < len(fate.stored):
        return True
    return bool(known) and bool(view.handles.slot_verbs(fate) & _CLOSED_ELSEWHERE)


@on_call(*_OPENERS)
def file_not_closed(view: View, call: ast.Call) -> None:
    """SUP901: neither entered, closed anywhere, nor given to somebody."""
    if keyword(call, "fileobj") is not None:
        return  # it wraps what somebody else has opened
    fate = view.fate(call)
    if _handed_over(fate) or fate.does(*_CLOSERS) or _kept_and_closed(view, fate):
        return
    where = "kept and never closed" if fate.stored else "opened and never closed"
    sure = LOW if view.is_test(call) else MEDIUM if fate.stored else HIGH
    view.report("SUP901", call, f"The file is {where}", sure)


@on_call(*_SOCKETS)
def socket_not_closed(view: View, call: ast.Call) -> None:
    """SUP902: not closed at all, or only where everything went well."""
    fate = view.fate(call)
    if _handed_over(fate) or _kept_and_closed(view, fate):
        return
    if fate.stored:
        view.report("SUP902", call, "The socket is kept and never closed", MEDIUM)
        return
    closes = [node for verb in _CLOSERS for node in fate.methods.get(verb, ())]
    if not closes:
        view.report("SUP902", call, "The socket is never closed", LOW if view.is_test(call) else HIGH)
    elif not any(view.guarded_by(node, "finalbody", "handlers") for node in closes) and _can_fail_between(
        fate
    ):
        sure = LOW if view.is_test(call) else HIGH
        view.report("SUP902", call, "The socket is not closed when something fails on the way", sure)


def _can_fail_between(fate: Fate) -> bool:
    """Whether anything that can fail is done with the socket before it is closed."""
    quiet = {
        "close",
        "setsockopt",
        "settimeout",
        "setblocking",
        "fileno",
        "getsockname",
        "detach",
        "family",
        "type",
    }
    return bool(set(fate.methods) - quiet)


@on_call(*_SESSIONS)
def session_not_closed(view: View, call: ast.Call) -> None:
    """SUP905."""
    fate = view.fate(call)
    if _handed_over(fate) or fate.does(*_CLOSERS) or _kept_and_closed(view, fate):
        return
    where = "kept and never closed" if fate.stored else "never closed"
    sure = LOW if view.is_test(call) else MEDIUM if fate.stored else HIGH
    view.report("SUP905", call, f"{view.callee(call)} is {where}", sure)


# ------------------------------------------------------------------------------------------------------- locks


@on_method("acquire")
def lock_not_released(view: View, call: ast.Call) -> None:
    """SUP903: released in the same function, but not when something between raises."""
    owner = receiver(call)
    scope = view.function(call)
    if owner is None or scope is None or scope.name in ("__enter__", "__aenter__", "acquire"):
        return
    if not _is_lock(view, owner) or isinstance(view.index.statement(call), ast.Assert):
        return
    releases = [
        other
        for other in calls_in(view.body(scope))
        if method(other) == "release" and same(receiver(other), owner)
    ]
    later = [other for other in releases if other.lineno >= call.lineno]
    if not later or any(view.guarded_by(other, "finalbody", "handlers") for other in later):
        return
    if any(view.guarded_by(other, "body") and _finally_releases(view, other, owner) for other in later):
        return
    if not _anything_between(view, call, later):
        return
    view.report("SUP903", call, f"{ast.unparse(owner)} stays locked when something before the release raises")


def _finally_releases(view: View, node: ast.AST, owner: ast.expr) -> bool:
    return any(
        method(other) == "release" and same(receiver(other), owner)
        for attempt, _ in view.branches(node)
        for other in calls_in(attempt.finalbody)
    )


def _is_lock(view: View, owner: ast.expr) -> bool:
    found = view.instance(owner)
    if found is not None and view.project.is_a(found, LOCKS):
        return True
    if found is not None and view.project.is_ours(found):
        return False
    name = spelled(owner).lower()
    return any(word in name for word in ("lock", "mutex", "semaphore", "cond")) or name in ("sem", "_sem")


def _anything_between(view: View, call: ast.Call, releases: list[ast.Call]) -> bool:
    """Whether a statement stands between the acquire and its release in the same block."""
    statement = view.index.statement(call)
    if statement is None:
        return True
    block = view.index.block(statement)
    position = next((i for i, item in enumerate(block) if item is statement), None)
    if position is None or position + 1 >= len(block):
        return True
    following = block[position + 1]
    return not any(view.index.statement(other) is following for other in releases)


# ----------------------------------------------------------------------------------- temporary files and fds


@on_call("tempfile.mkdtemp", "tempfile.mkstemp", "tempfile.mktemp", "tempfile.NamedTemporaryFile")
def temp_not_removed(view: View, call: ast.Call) -> None:
    """SUP904: the path is neither removed nor given to somebody who may."""
    callee = view.callee(call) or ""
    if callee.endswith("NamedTemporaryFile"):
        if constant(keyword(call, "delete")) is not False or _removed_by_name(view, call):
            return
        fate = view.fate(call)
        name_used = list(fate.methods.get("name", ()))
        if fate.returned or fate.yielded or fate.stored or fate.passed or fate.globals:
            return
        if any(_path_goes(view, view.fate(node)) for node in name_used if isinstance(node, ast.expr)):
            return
        if fate.entered and not name_used and not _with_names(view, call):
            return
        if any(_path_goes(view, part) for part in _with_names(view, call)):
            return
    else:
        fates = _element(view, call, 1) if callee.endswith("mkstemp") else [view.fate(call)]
        if fates is None or any(fate.entered or _path_goes(view, fate) for fate in fates):
            return
    view.report("SUP904", call, "Nothing removes what this makes", LOW if view.is_test(call) else MEDIUM)


def _removed_by_name(view: View, call: ast.Call) -> bool:
    scope = view.scope(call)
    return any(view.callee(other) in _REMOVERS for other in calls_in(view.body(scope)))


def _with_names(view: View, call: ast.Call) -> list[Fate]:
    """What becomes of `f.name` after `with NamedTemporaryFile(...) as f`."""
    item = view.up(call)
    if not isinstance(item, ast.withitem) or not isinstance(item.optional_vars, ast.Name):
        return []
    scope = view.scope(call)
    found = view.handles.fate_of_name(item.optional_vars.id, scope, view.up(item) or call)
    fates = [view.fate(node) for node in found.methods.get("name", ()) if isinstance(node, ast.expr)]
    return [*fates, found] if found.returned or found.stored or found.passed else fates


def _path_goes(view: View, fate: Fate) -> bool:
    """Whether a path is removed, kept or handed to code that may remove it."""
    if fate.returned or fate.yielded or fate.stored or fate.globals or fate.entered:
        return True
    if fate.does("unlink", "rmdir", "rename", "replace", "rmtree", "cleanup"):
        return True
    return any(
        callee in _REMOVERS or callee is None or not callee.startswith(_USES_PATH)
        for _, callee in fate.passed
    )


def _element(view: View, call: ast.Call, position: int) -> list[Fate] | None:
    """The fate of one element of a result that is unpacked; None when it goes somewhere whole."""
    up = view.up(call)
    if isinstance(up, ast.Subscript):
        return [view.fate(up)] if constant(up.slice) == position else [Fate()]
    if isinstance(up, ast.Assign) and isinstance(up.targets[0], (ast.Tuple, ast.List)):
        target = up.targets[0].elts[position] if len(up.targets[0].elts) > position else None
        if isinstance(target, ast.Name):
            return [view.handles.fate_of_name(target.id, view.scope(call), up)]
        return None
    if isinstance(up, ast.Assign) and isinstance(up.targets[0], ast.Name):
        return None
    return [Fate()] if isinstance(up, ast.Expr) else None


@on_call("tempfile.mkstemp", "os.open", "os.pipe", "os.pipe2", "os.dup", "os.memfd_create", "os.eventfd", "os.openpty",
         "pty.openpty")  # fmt: skip
def fd_not_closed(view: View, call: ast.Call) -> None:
    """SUP906: each descriptor of the result must be closed, wrapped, returned, kept or handed over."""
    callee = view.callee(call) or ""
    if any(
        (view.callee(other) or "").startswith("os.exec") for other in calls_in(view.body(view.scope(call)))
    ):
        return  # the descriptor is for the program that takes this one's place
    positions = {
        "tempfile.mkstemp": (0,),
        "os.open": (),
        "os.dup": (),
        "os.memfd_create": (),
        "os.eventfd": (),
    }
    for position in positions.get(callee, (0, 1)):
        fates = _element(view, call, position)
        if fates is not None and not any(_fd_goes(fate) for fate in fates):
            view.report("SUP906", call, f"The descriptor from {callee} is never closed")
            return
    if callee in positions and not positions[callee]:
        fate = view.fate(call)
        if fate.dropped and _redirects(view, call):
            return  # it takes the number of a standard stream that was just closed
        if not _fd_goes(fate) and not fate.awaited:
            view.report("SUP906", call, f"The descriptor from {callee} is never closed")


def _redirects(view: View, call: ast.Call) -> bool:
    return any(
        view.callee(other) in ("os.dup2", "os.close", "os.closerange")
        for other in calls_in(view.body(view.scope(call)))
    )


def _fd_goes(fate: Fate) -> bool:
    if (
        fate.returned
        or fate.yielded
        or fate.stored
        or fate.globals
        or fate.entered
        or fate.contained
        or fate.lambda_result
    ):
        return True
    return any(callee not in _USES_FD for _, callee in fate.passed)
