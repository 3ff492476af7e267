"""The methods of the interface, in one fixed table.

A name is looked up in the table and nowhere else: names that were resolved by walking attributes were a way to run any code
(CVE-2017-11610).
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from controlplane.xmlrpc import programs as rules
from controlplane.xmlrpc.backend import Backend, Forbidden, Piece, Refused, Stream
from controlplane.xmlrpc.faults import Code, RpcFault
from controlplane.xmlrpc.programs import ALIVE, STARTED, Program, State
from controlplane.xmlrpc.signals import signal_name

API_VERSION = "3.0"
"""What clients compare with, as text."""
IDENTIFICATION = "supervisor"
LOOK_EVERY_S = 0.1
START_WITHIN_S = 90.0
STOP_WITHIN_S = 120.0
MOST_LOG_BYTES = 4 * 1024 * 1024
MOST_CALLS = 100
"""In one multicall."""

Result = Any
"""XML-RPC values."""


class Methods:
    """The interface for one caller. `call` raises RpcFault and nothing else that is expected."""

    def __init__(self, backend: Backend, version: str) -> None:
        self._backend, self._version = backend, version
        supervisor: dict[str, Callable[..., Result]] = {
            "getAPIVersion": self.api_version,
            "getVersion": self.api_version,
            "getSupervisorVersion": lambda: version,
            "getIdentification": lambda: IDENTIFICATION,
            "getState": lambda: {"statecode": 1, "statename": "RUNNING"},
            "getPID": backend.pid,
            "readLog": self.read_main_log,
            "readMainLog": self.read_main_log,
            "clearLog": lambda: True,
            "shutdown": self.shut_down,
            "restart": self.restart,
            "reloadConfig": lambda: [[[], [], []]],
            "addProcessGroup": self.add_group,
            "removeProcessGroup": self.remove_group,
            "startProcess": self.start,
            "startProcessGroup": self.start_group,
            "startAllProcesses": self.start_all,
            "stopProcess": self.stop,
            "stopProcessGroup": self.stop_group,
            "stopAllProcesses": self.stop_all,
            "signalProcess": self.signal,
            "signalProcessGroup": self.signal_group,
            "signalAllProcesses": self.signal_all,
            "getProcessInfo": self.info,
            "getAllProcessInfo": self.all_info,
            "getAllConfigInfo": self.all_config,
            "readProcessStdoutLog": self.read_out,
            "readProcessLog": self.read_out,
            "readProcessStderrLog": self.read_err,
            "tailProcessStdoutLog": self.tail_out,
            "tailProcessLog": self.tail_out,
            "tailProcessStderrLog": self.tail_err,
            "clearProcessLogs": self.clear,
            "clearProcessLog": self.clear,
            "clearAllProcessLogs": self.clear_all,
            "sendProcessStdin": self.send_stdin,
            "sendRemoteCommEvent": lambda type, data: True,  # noqa: A006 the parameters' names there
        }
        self._table: dict[str, Callable[..., Result]] = {
            f"supervisor.{name}": method for name, method in supervisor.items()
        } | {
            "system.listMethods": lambda: sorted(self._table),
            "system.methodHelp": self.help,
            "system.methodSignature": self.signature,
            "system.multicall": self.multicall,
        }

    def call(self, method: str, params: Sequence[Result]) -> Result:
        """One request. RpcFault."""
        found = self._table.get(method)
        if found is None:
            raise RpcFault(Code.UNKNOWN_METHOD)
        try:
            inspect.signature(found).bind(*params)
        except TypeError:
            raise RpcFault(Code.INCORRECT_PARAMETERS) from None
        if not _are_of_their_types(found, params):
            raise RpcFault(Code.INCORRECT_PARAMETERS)
        try:
            return found(*params)
        except Forbidden as error:
            raise RpcFault(Code.FAILED, str(error) or "not permitted") from error
        except Refused as error:
            raise RpcFault(Code.FAILED, str(error)) from error

    # -- about the service ------------------------------------------------------------------------------------------

    def api_version(self) -> str:
        """Version of this interface."""
        return API_VERSION

    def help(self, method: str) -> str:
        """What a method does."""
        return inspect.getdoc(self._known(method)) or ""

    def signature(self, method: str) -> list[str]:
        """Result and parameters of a method, by name only."""
        return ["any", *inspect.signature(self._known(method)).parameters]

    def multicall(self, calls: list[Result]) -> list[Result]:
        """Several calls in one request; each answers in a list of one, or with its fault."""
        if not isinstance(calls, list) or len(calls) > MOST_CALLS:
            raise RpcFault(Code.INCORRECT_PARAMETERS, f"at most {MOST_CALLS} calls")
        return [self._one_of_many(each) for each in calls]

    def _one_of_many(self, each: Result) -> Result:
        try:
            if not isinstance(each, dict) or each.get("methodName") == "system.multicall":
                raise RpcFault(Code.INCORRECT_PARAMETERS)
            params = each.get("params") or []
            if not isinstance(params, list):
                raise RpcFault(Code.INCORRECT_PARAMETERS)
            return self.call(str(each.get("methodName")), params)
        except RpcFault as error:
            return {"faultCode": int(error.code), "faultString": str(error)}

    def _known(self, method: str) -> Callable[..., Result]:
        if method not in self._table:
            raise RpcFault(Code.SIGNATURE_UNSUPPORTED)
        return self._table[method]

    def shut_down(self) -> bool:
        """Stop everything on this node."""
        self._backend.shut_down()
        return True

    def restart(self) -> bool:
        """Replace Overstory's own processes by the installed code; children keep running."""
        self._backend.restart()
        return True

    def add_group(self, name: str) -> bool:
        """A group that is there; others are added by applying a tree file."""
        if any(program.group == name for program in self._programs()):
            raise RpcFault(Code.ALREADY_ADDED, name)
        self._backend.add_group(name)
        raise RpcFault(Code.BAD_NAME, name)

    def remove_group(self, name: str) -> bool:
        """Delete a tree whose processes do not run."""
        members = [
            each for each in self._programs() if each.group == name or each.group.startswith(f"{name}/")
        ]
        if not members:
            raise RpcFault(Code.BAD_NAME, name)
        if any(program.statecode in ALIVE for program in members):
            raise RpcFault(Code.STILL_RUNNING, name)
        self._backend.remove_group(name)
        return True

    # -- processes --------------------------------------------------------------------------------------------------

    def info(self, name: str) -> dict[str, Result]:
        """State of one process."""
        return rules.process_info(self._find(name), self._backend.now())

    def all_info(self) -> list[dict[str, Result]]:
        """State of every process."""
        now = self._backend.now()
        return [rules.process_info(program, now) for program in self._programs()]

    def all_config(self) -> list[dict[str, Result]]:
        """Configuration of every process."""
        return [rules.config_info(program) for program in self._programs()]

    def start(self, name: str, wait: bool = True) -> bool | list[Result]:
        """Start one process, and wait until it runs."""
        if name.endswith(":*"):
            return self.start_group(name.removesuffix(":*"), wait)
        self._start(self._find(name), wait)
        return True

    def start_group(self, name: str, wait: bool = True) -> list[Result]:
        """Start what does not run of a group."""
        return self._each(
            rules.members(self._programs(), name), self._start, lambda it: it not in STARTED, wait
        )

    def start_all(self, wait: bool = True) -> list[Result]:
        """Start whatever does not run."""
        return self._each(self._programs(), self._start, lambda it: it not in STARTED, wait)

    def stop(self, name: str, wait: bool = True) -> bool | list[Result]:
        """Stop one process, and wait until it is gone."""
        if name.endswith(":*"):
            return self.stop_group(name.removesuffix(":*"), wait)
        self._stop(self._find(name), wait)
        return True

    def stop_group(self, name: str, wait: bool = True) -> list[Result]:
        """Stop what runs of a group."""
        return self._each(rules.members(self._programs(), name), self._stop, lambda it: it in ALIVE, wait)

    def stop_all(self, wait: bool = True) -> list[Result]:
        """Stop whatever runs, except Overstory's own tree: the answer has to arrive."""
        others = [program for program in self._programs() if program.tree != "system"]
        return self._each(others, self._stop, lambda it: it in ALIVE, wait)

    def signal(self, name: str, signal: str | int) -> bool | list[Result]:
        """Send a signal to one process."""
        if name.endswith(":*"):
            return self.signal_group(name.removesuffix(":*"), signal)
        self._signal(self._find(name), signal_name(signal))
        return True

    def signal_group(self, name: str, signal: str | int) -> list[Result]:
        """Send a signal to what runs of a group."""
        known = signal_name(signal)
        return self._each(rules.members(self._programs(), name), self._signal, lambda it: it in ALIVE, known)

    def signal_all(self, signal: str | int) -> list[Result]:
        """Send a signal to whatever runs, except Overstory's own tree."""
        others = [program for program in self._programs() if program.tree != "system"]
        return self._each(others, self._signal, lambda it: it in ALIVE, signal_name(signal))

    def send_stdin(self, name: str, chars: str) -> bool:
        """Not possible: the standard input of children is /dev/null."""
        self._find(name)
        raise RpcFault(Code.FAILED, f"{name}: the standard input of children is /dev/null")

    # -- logs -------------------------------------------------------------------------------------------------------

    def read_main_log(self, offset: int, length: int) -> str:
        """Part of the log of guardian and node."""
        return _text(self._backend.main_log(offset, _length(offset, length)))

    def read_out(self, name: str, offset: int, length: int) -> str:
        """Part of what a process wrote to standard output."""
        return _text(self._read(name, "out", offset, length))

    def read_err(self, name: str, offset: int, length: int) -> str:
        """Part of what a process wrote to standard error."""
        return _text(self._read(name, "err", offset, length))

    def tail_out(self, name: str, offset: int, length: int) -> list[Result]:
        """The end of standard output: text, where it ends, whether some was left out."""
        return self._tail(name, "out", offset, length)

    def tail_err(self, name: str, offset: int, length: int) -> list[Result]:
        """The end of standard error."""
        return self._tail(name, "err", offset, length)

    def clear(self, name: str) -> bool:
        """Show only what is written from now on. Nothing is deleted: the output is bounded as its tree file says."""
        self._backend.forget_log(self._find(name))
        return True

    def clear_all(self) -> list[Result]:
        """Likewise for every process."""
        return self._each(self._programs(), self._backend.forget_log, lambda _: True)

    def _read(self, name: str, stream: Stream, offset: int, length: int) -> Piece:
        return self._backend.log(self._find(name), stream, offset, _length(offset, length))

    def _tail(self, name: str, stream: Stream, offset: int, length: int) -> list[Result]:
        if length < 0 or offset < 0:
            raise RpcFault(Code.BAD_ARGUMENTS)
        program = self._find(name)
        end = self._backend.log(program, stream, 0, 0).end
        begin = max(end - min(length, MOST_LOG_BYTES), min(offset, end), 0)
        piece = self._backend.log(program, stream, begin, end - begin)
        return [_text(piece), end, begin > offset]

    # -- how ---------------------------------------------------------------------------------------------------------

    def _programs(self) -> Sequence[Program]:
        return self._backend.programs()

    def _find(self, name: str) -> Program:
        return rules.find(self._programs(), name)

    def _start(self, program: Program, wait: bool = True) -> None:
        if program.statecode in STARTED:
            raise RpcFault(Code.ALREADY_STARTED, program.full_name)
        self._backend.command("start", program)
        if wait:
            self._await_start(program)

    def _await_start(self, before: Program) -> None:
        deadline = self._backend.now() + START_WITHIN_S
        while self._backend.now() < deadline:
            program = self._backend.again(before)
            if program is None:
                raise RpcFault(Code.BAD_NAME, before.full_name)
            state, is_new = program.statecode, program.incarnation > before.incarnation
            if state is State.RUNNING or (is_new and program.state == "completed"):
                return
            if is_new and state in (State.BACKOFF, State.FATAL, State.EXITED):
                raise RpcFault(Code.SPAWN_ERROR, program.full_name)
            self._backend.sleep(LOOK_EVERY_S)
        raise RpcFault(Code.FAILED, f"{before.full_name} is still starting")

    def _stop(self, program: Program, wait: bool = True) -> None:
        if program.statecode not in ALIVE:
            raise RpcFault(Code.NOT_RUNNING, program.full_name)
        self._backend.command("stop", program)
        deadline = self._backend.now() + max(STOP_WITHIN_S, 2 * program.shutdown_s)
        while wait and self._backend.now() < deadline:
            now = self._backend.again(program)
            if now is None or now.statecode not in ALIVE:
                return
            self._backend.sleep(LOOK_EVERY_S)
        if wait:
            raise RpcFault(Code.FAILED, f"{program.full_name} is still stopping")

    def _signal(self, program: Program, signal: str) -> None:
        if program.pid is None:
            raise RpcFault(Code.NOT_RUNNING, program.full_name)
        self._backend.command("signal", program, signal=signal)

    def _each(
        self,
        members: Sequence[Program],
        act: Callable[..., None],
        wanted: Callable[[State], bool],
        *args: Result,
    ) -> list[Result]:
        """The list of results that the group and `all` methods answer with."""
        results = []
        for program in members:
            if not wanted(program.statecode):
                continue
            code, words = Code.SUCCESS, "OK"
            try:
                act(program, *args)
            except RpcFault as error:
                code, words = error.code, str(error)
            except (Refused, Forbidden) as error:
                code, words = Code.FAILED, f"FAILED: {error}"
            results.append(
                {"name": program.name, "group": program.group, "status": int(code), "description": words}
            )
        return results


def _are_of_their_types(method: Callable[..., Result], params: Sequence[Result]) -> bool:
    """Whether text was sent for text and a number for a number, as the method's annotations say. `wait` may be 0 or 1."""
    for value, parameter in zip(params, inspect.signature(method).parameters.values(), strict=False):
        wanted = parameter.annotation
        if wanted is str and not isinstance(value, str):
            return False
        if wanted in (int, bool) and not isinstance(value, int):
            return False
    return True


def _length(offset: int, length: int) -> int:
    """How many bytes a read asks for; 0 means to the end, or with a negative offset the last so many."""
    if length < 0 or (offset < 0 and length != 0):
        raise RpcFault(Code.BAD_ARGUMENTS)
    if offset < 0:
        return min(-offset, MOST_LOG_BYTES)
    return min(length or MOST_LOG_BYTES, MOST_LOG_BYTES)


def _text(piece: Piece) -> str:
    return piece.data.decode("utf-8", errors="replace")
