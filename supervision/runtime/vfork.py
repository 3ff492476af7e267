"""The spawn of our own in C (shim/overstory-spawn.c): as posix_spawn, and cheaper for a process with many descriptors.

Where the library was not built, or the kernel refuses the call, `Launcher` goes through posix_spawn: slower, and the same.
"""

import ctypes
import sys
from collections.abc import Mapping, Sequence
from typing import Self

from supervision.runtime.spare_files import Pair

_ENCODING = sys.getfilesystemencoding()
_NO_FILES = "\0" * 4
PROCESS, TABLE, CWD, OUTPUT, EXEC, MEMORY, LIMIT = range(7)
"""Steps of the C program, in its order; a limit's is LIMIT and its place in the list."""


class SpawnFailedError(Exception):
    """Nothing was started: the kernel's number, and the step that it refused."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(number, step)
        self.errno, self.step = number, step


class Inherited:
    """Variables that all children get, joined once: they are not read one by one at each start. ValueError for such as no
    program can get."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = dict(variables)
        words = _words(self.variables)
        self.text = "".join(f"{word}\0" for word in words)
        if self.text.count("\0") != len(words):
            raise ValueError("embedded null character")


class Prebuilt:
    """What all lives of a child have in common, as the text that the library reads: before its files, and behind them. Two
    strings for each child. ValueError for text that no program can get.

    `limits` are (resource, soft). The environment is `inherited` and `environment`, which share no name.
    """

    __slots__ = ("head", "inherited", "tail")

    def __init__(
        self,
        *,
        executable: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        inherited: Inherited | None,
        cwd: str | None,
        umask: int | None,
        limits: Sequence[tuple[int, int]],
    ) -> None:
        before = [executable, cwd or "", "" if umask is None else f"{umask:o}"]
        behind = [str(len(limits))]
        for number, soft in limits:
            behind += (str(number), str(soft))
        behind += (str(len(argv)), *argv, *_words(environment))
        self.head, self.tail = "\0".join(before), "\0".join(behind)
        if self.head.count("\0") + self.tail.count("\0") != len(before) + len(behind) - 2:
            raise ValueError("embedded null character")
        self.inherited = "" if inherited is None else inherited.text

    def text(self, stdout: str, stderr: str, spare: Pair | None, own: str) -> str:
        """For one life: its files, and variables of its own, each with a NUL behind it. None of these holds a NUL but
        there."""
        files = (
            _NO_FILES
            if spare is None
            else f"{spare.out}\0{spare.err}\0{spare.ledger}\0{spare.at}\0{spare.note}"
        )
        return f"{self.head}\0{stdout}\0{stderr}\0{files}\0{self.tail}\0{own}{self.inherited}"


def _words(environment: Mapping[str, str]) -> list[str]:
    if "=" in "".join(environment):
        raise ValueError("illegal environment variable name")
    return [f"{name}={value}" for name, value in environment.items()]


def encoded(text: str) -> bytes:
    """As the library and the shim take it."""
    return text.encode(_ENCODING, "surrogateescape")


class VforkSpawn:
    """The loaded library. Single-threaded use only."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._call = library.overstory_spawn
        self._call.argtypes = (
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_int,
            ctypes.c_void_p,
            ctypes.c_void_p,
        )
        self._call.restype = ctypes.c_long
        self._pidfd, self._step = ctypes.c_int(-1), ctypes.c_int(0)
        self._at_pidfd, self._at_step = ctypes.byref(self._pidfd), ctypes.byref(self._step)
        self._give = library.overstory_hand_over
        self._give.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t)
        self._give.restype = ctypes.c_long

    @classmethod
    def load(cls, path: str) -> Self | None:
        """None where there is no such library, or none that this machine can load."""
        try:
            return cls(ctypes.CDLL(path))
        except (OSError, AttributeError):
            return None

    def spawn_text(self, text: str, *, child_first: bool = False) -> tuple[int, int]:
        """(pid, pidfd) of a process in a session of its own, out of the text of a Prebuilt. SpawnFailedError.

        `child_first`: leave the processor to the child until it first sleeps, or its share is used up.
        """
        program = encoded(text)
        pid: int = self._call(program, len(program), child_first, self._at_pidfd, self._at_step)
        if pid < 0:
            raise SpawnFailedError(-pid, self._step.value)
        return pid, self._pidfd.value

    def hand_over(self, channel: int, program: bytes) -> bool:
        """Give the text of a Prebuilt to the process that stands by at the other end of `channel`, and leave the processor
        to it. Whether it runs, or was ended on the way, or takes longer than the socket waits."""
        given: int = self._give(channel, program, len(program))
        return given == 0
