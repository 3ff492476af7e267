"""A template: imports an agent's world once, then forks agents that begin where an interpreter would still be importing.

The node starts this file by its path, as the agent's user, in the agent's directory and with the agent's interpreter and
environment. Descriptor 3 is a SOCK_SEQPACKET socket to the node; a datagram is a JSON object, descriptors ride along.

    from the node   preload {modules}             fork {id, start} + out, err       spare {id} + the spare's own socket
                    reap {pid}
    to the node     ready {files}                 unforkable {why}                  failed {why}
                    forked {id, pid}              not_forked {id, why}              not_started {id, why}
    to a spare      start {start} + out, err      from a spare    spare {pid}       not_started {why}

Plain fork: the template stays the parent and reaps a child only when told, so that its exit status can be read until the
node has recorded it. The template has one thread and nothing open but the socket, or else it does not fork (`Watch`). It
ends when the node does; its agents go on.

What a forked agent shares with its siblings and could not be given anew: the seed of `hash()`.
"""

import atexit
import contextlib
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from overstory._shown import Shown

HERE = os.path.dirname(os.path.abspath(__file__))
CHANNEL = 3
MAX_MESSAGE = 64 * 1024
REHEARSALS = 12
"""CPython 3.11 specialises what ran eight times."""
SETTLE_ROUNDS, SETTLE_S = 10, 0.01
FILLERS: list[Any] = []
"""They take places in memory, for good."""
UNUSED = 79
"""Exit status of a template or a spare that the node left: it says that no agent ended."""
Message = dict[str, Any]


def main() -> None:
    """Be a template until the node goes; in a forked child, be an agent."""
    runner = beside("_run")
    runner.settle_path()
    for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    os.set_inheritable(CHANNEL, False)
    channel = socket.socket(fileno=CHANNEL)
    shown = beside("_shown").Shown()
    clean = Clean()
    preload = receive(channel)
    if preload is None or not prepare(channel, preload[0]["modules"]):
        leave()
    clean.restore()
    born = serve(channel, shown)
    if born is None:
        leave()
    born.begin(shown)
    finish(lambda: runner.run(born.start["entry_point"], born.loop))


def finish(run: Callable[[], int]) -> NoReturn:
    """Run, and end as an interpreter does but for its last act: to take every object apart it would copy every page that is
    shared with the template, and agents that stop together would all do so at once."""
    status = 1
    try:
        status = run()
    except SystemExit as ended:
        if isinstance(ended.code, int):
            status = ended.code
        elif ended.code is None:
            status = 0
        else:
            sys.stderr.write(f"{ended.code}\n")
    except BaseException:  # noqa: BLE001 what the interpreter would say of it
        sys.excepthook(*sys.exc_info())
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does; multiprocessing too
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status & 0xFF)


def leave() -> NoReturn:
    """End without the clean-up of modules that were only imported to be forked."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(UNUSED)


def beside(name: str) -> Any:
    """The module of this package that lies beside this file, whatever `overstory` the agent's environment has."""
    spec = importlib.util.spec_from_file_location(f"overstory.{name}", os.path.join(HERE, f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is not in {HERE}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- messages -------------------------------------------------------------------------------------------------------------


def receive(channel: socket.socket) -> tuple[Message, list[int]] | None:
    """The next message and its descriptors; None when the other end is gone."""
    try:
        data, fds, _flags, _address = socket.recv_fds(channel, MAX_MESSAGE, 8)
    except ConnectionResetError:
        return None
    if not data:
        return None
    for fd in fds:
        os.set_inheritable(fd, False)
    message: Message = json.loads(data)
    if message["op"] == "large":  # longer than a datagram: it lies in the memory file that came last
        *fds, memory = fds
        message = json.loads(os.pread(memory, os.fstat(memory).st_size, 0))
        os.close(memory)
    return message, fds


def tell(channel: socket.socket, op: str, **body: Any) -> None:
    """Say it to the node; to one that is gone it is said in vain."""
    with contextlib.suppress(OSError):
        channel.send(json.dumps({"v": 1, "op": op, **body}).encode())


# -- before the first fork ----------------------------------------------------------------------------------------------


def prepare(channel: socket.socket, modules: list[str]) -> bool:
    """Import everything; True when a fork of this process is safe."""
    watch = Watch()
    gc.disable()  # fewer holes in the pages that are shared later
    try:
        with watch:
            for name in ("asyncio", "overstory.agent", *modules):
                importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 whatever an import raises, SystemExit included, is the node's to know
        traceback.print_exc()
        tell(channel, "failed", why=f"{type(error).__name__}: {error}"[:500])
        return False
    why = watch.problems()
    if why:
        tell(channel, "unforkable", why=why)
        return False
    rehearse(REHEARSALS)
    gc.collect()
    sharing = beside("_sharing")
    FILLERS.extend(sharing.fill_holes())
    gc.freeze()
    sharing.share_huge_pages()
    sys.stdout.flush()  # what is left in them every child would write again
    sys.stderr.flush()
    tell(channel, "ready", files=files_of(modules))
    return True


def rehearse(rounds: int) -> None:
    """Live the life of an agent that does nothing, so often; see `_rehearsal`."""
    try:
        importlib.import_module("overstory._rehearsal").rehearse(rounds)
    except Exception:  # noqa: BLE001 an SDK of another release has none, or another: agents begin more slowly then
        return


def rehearse_beginning(shown: "Shown") -> None:
    """Become what it is, once: the pages that are written on the way are its own then, and the way is short."""
    start = {
        "mark": os.environ.get("OVERSTORY_MARK", "").rstrip(),
        "command": ["spare"],
        "comm": "spare",
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
        "umask": None,
        "limits": [],
        "entry_point": "",
    }
    with contextlib.suppress(OSError):  # what is not there now is the agent's to miss
        begin(json.loads(json.dumps(start)), [os.dup(1), os.dup(2)], shown, None)
    gc.disable()


def files_of(modules: list[str]) -> list[tuple[str, int]]:
    """(path, time of change in ns) of the modules' own files: a later change means that the template is old."""
    found = []
    for name in modules:
        path = getattr(sys.modules.get(name), "__file__", None)
        if path is not None:
            with contextlib.suppress(OSError):
                found.append((os.path.abspath(path), os.stat(path).st_mtime_ns))
    return found


class Watch:
    """Finds which module starts a thread or a process, or leaves a descriptor open, when it is imported.

    A fork takes only the thread that forks: locks others held stay locked. A descriptor is shared with all children, and so
    is what it stands for, such as an event loop's epoll or a connection.
    """

    def __init__(self) -> None:
        self._before = set(held())
        self._by: dict[str, str] = {}
        """What is held -> the module that was being executed when it came."""
        self._executed: list[str] = []
        """Modules whose execution is under way, the innermost last."""

    def __enter__(self) -> "Watch":
        self._real = importlib.machinery.SourceFileLoader.exec_module
        real = self._real

        def exec_module(loader: importlib.machinery.SourceFileLoader, module: ModuleType) -> None:
            self._note()  # the work so far is of the module that imports this one
            self._executed.append(module.__name__)
            try:
                real(loader, module)
                self._note()
            finally:
                self._executed.pop()

        importlib.machinery.SourceFileLoader.exec_module = exec_module  # type: ignore[method-assign,assignment]
        return self

    def __exit__(self, *_: object) -> None:
        importlib.machinery.SourceFileLoader.exec_module = self._real  # type: ignore[method-assign]

    def _note(self) -> None:
        if self._executed:
            for thing in held():
                if thing not in self._before:
                    self._by.setdefault(thing, self._executed[-1])

    def problems(self) -> str:
        """What is still there and forbids a fork, in words; empty when nothing is."""
        for _ in range(SETTLE_ROUNDS):  # a thread that was joined is still there for a moment
            found = [thing for thing in held() if thing not in self._before]
            if not found:
                return ""
            time.sleep(SETTLE_S)
        names = {str(thread.native_id): thread.name for thread in threading.enumerate()}
        words = []
        for thing in found:
            kind, _, which = thing.partition(" ")
            what = {
                "thread": f"starts the thread {names.get(which, which)}",
                "process": f"starts a process ({which})",
            }.get(kind, f"opens {which}")
            words.append(f"importing {self._by.get(thing, 'a module')} {what}")
        return "; ".join(dict.fromkeys(words))[:1000]


def held() -> list[str]:
    """Threads, child processes and open descriptors of this process."""
    tasks = os.listdir("/proc/self/task")
    things = [f"thread {task}" for task in tasks]
    for task in tasks:
        with contextlib.suppress(OSError), open(f"/proc/self/task/{task}/children") as file:
            things += [f"process {pid}" for pid in file.read().split()]
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own is closed by now
            things.append(f"descriptor {os.readlink(f'/proc/self/fd/{fd}')}")
    return things


class Clean:
    """What a program begins with, put back when imports changed it."""

    def __init__(self) -> None:
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._cwd = os.getcwd()
        self._signals = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def restore(self) -> None:
        os.umask(self._umask)
        os.chdir(self._cwd)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number, handler in self._signals.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


# -- forking --------------------------------------------------------------------------------------------------------------


class Born:
    """A forked child that is to become an agent. `told` is where it says that it could not."""

    def __init__(
        self, start: Message, fds: list[int], told: socket.socket, order: int, loop: Any = None
    ) -> None:
        self.start, self.fds, self.told, self.order, self.loop = start, fds, told, order, loop

    def begin(self, shown: "Shown") -> None:
        """Take what is its own: session, name, output, limits, environment, random numbers."""
        try:
            begin(self.start, self.fds, shown, self.loop)
        except BaseException as error:  # noqa: BLE001 the node is told, and the process ends
            tell(self.told, "not_started", id=self.order, why=f"{type(error).__name__}: {error}")
            os._exit(1)
        self.told.close()


def serve(channel: socket.socket, shown: "Shown") -> Born | None:
    """Do as the node says. Returns in a forked child, or None when the node is gone."""
    while (received := receive(channel)) is not None:
        message, fds = received
        op = message["op"]
        if op == "reap":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(message["pid"], os.WNOHANG)
            continue
        if op in ("fork", "spare"):
            try:
                pid = os.fork()
            except OSError as error:
                tell(channel, "not_forked", id=message["id"], why=os.strerror(error.errno or 0))
            else:
                if pid == 0:
                    if op == "spare":
                        return wait_as_spare(channel, socket.socket(fileno=fds[0]), shown)
                    # The child says it first: what it says later, to other sockets, is then from a known process.
                    tell(channel, "forked", id=message["id"], pid=os.getpid())
                    return Born(message["start"], fds, channel, message["id"])
                if op == "fork":
                    # The next one waits for this word, and the child may die before it could say so.
                    tell(channel, "forked", id=message["id"], pid=pid)
        for fd in fds:
            os.close(fd)
    return None


def wait_as_spare(channel: socket.socket, own: socket.socket, shown: "Shown") -> Born | None:
    """Wait, with a running event loop, for what to become; None when nobody will say."""
    import asyncio

    channel.close()
    os.setsid()
    rehearse(1)  # makes its own copies of the pages it will write to
    rehearse_beginning(shown)
    loop = asyncio.new_event_loop()
    came: asyncio.Future[tuple[Message, list[int]] | None] = loop.create_future()

    def readable() -> None:
        loop.remove_reader(own.fileno())
        came.set_result(receive(own))

    loop.add_reader(own.fileno(), readable)
    loop.call_soon(lambda: tell(own, "spare", pid=os.getpid()))
    received = loop.run_until_complete(came)
    if received is None:
        return None
    message, fds = received
    return Born(message["start"], fds, own, 0, loop)


# -- becoming an agent ----------------------------------------------------------------------------------------------------


def begin(start: Message, fds: list[int], shown: "Shown", loop: Any) -> None:
    if os.getsid(0) != os.getpid():
        os.setsid()
    # from here on a new node finds the process by its mark
    shown.show(start["mark"], start["command"], start["comm"])
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    out, err = fds or [os.open(path, append, 0o600) for path in start["output"]]
    null = os.open(os.devnull, os.O_RDONLY)
    for fd, target in ((null, 0), (out, 1), (err, 2)):
        os.dup2(fd, target)
        os.close(fd)
    os.environ.update(start["environment"])
    os.chdir(start["cwd"])
    if start["umask"] is not None:
        os.umask(start["umask"])
    if start["limits"]:
        import resource

        for number, soft in start["limits"]:
            resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))
    reseed()
    sys.argv = [start["entry_point"]]
    gc.enable()


def reseed() -> None:
    """Nobody may guess one agent's random numbers from another's. The module `random` sees to itself at each fork."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    process = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.current_process().authkey = os.urandom(32)


if __name__ == "__main__":
    main()
