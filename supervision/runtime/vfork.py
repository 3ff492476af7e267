"""The spawn of our own in C (shim/overstory-spawn.c): as posix_spawn, and cheaper for a process with many descriptors.

Where the library was not built, or the kernel refuses the call, `Launcher` goes through posix_spawn: slower, and the same.
"""

import ctypes
import sys
from collections.abc import Mapping, Sequence
from typing import Self

from supervision.runtime.spare_files import Pair

_ENCODING = sys.getfilesystemencoding()
_NO_SPARE = ("",) * 5
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
        self.words = _words(self.variables)
        self.text = "".join(f"{word}\0" for word in self.words)
        if self.text.count("\0") != len(self.words):
            raise ValueError("embedded null character")


def _words(environment: Mapping[str, str]) -> list[str]:
    if "=" in "".join(environment):
        raise ValueError("illegal environment variable name")
    return [f"{name}={value}" for name, value in environment.items()]


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

    @classmethod
    def load(cls, path: str) -> Self | None:
        """None where there is no such library, or none that this machine can load."""
        try:
            return cls(ctypes.CDLL(path))
        except (OSError, AttributeError):
            return None

    def spawn(
        self,
        *,
        executable: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        inherited: Inherited | None = None,
        cwd: str | None,
        umask: int | None,
        stdout: str,
        stderr: str,
        limits: Sequence[tuple[int, int]],
        spare: Pair | None = None,
        child_first: bool = False,
    ) -> tuple[int, int]:
        """(pid, pidfd) of a process in a session of its own. SpawnFailedError; ValueError for text that no program can
        get. `limits` are (resource, soft). The environment is `inherited` and `environment`, which share no name."""
        words = [
            executable,
            cwd or "",
            "" if umask is None else f"{umask:o}",
            stdout,
            stderr,
            *(
                _NO_SPARE
                if spare is None
                else (spare.out, spare.err, str(spare.ledger), str(spare.at), spare.note)
            ),
            str(len(limits)),
        ]
        for number, soft in limits:
            words += (str(number), str(soft))
        words.append(str(len(argv)))
        words += argv
        words += _words(environment)
        words.append("" if inherited is None else inherited.text)
        text = "\0".join(words)
        if text.count("\0") != len(words) - 1 + (0 if inherited is None else len(inherited.words)):
            raise ValueError("embedded null character")
        program = text.encode(_ENCODING, "surrogateescape")
        pid: int = self._call(program, len(program), child_first, self._at_pidfd, self._at_step)
        if pid < 0:
            raise SpawnFailedError(-pid, self._step.value)
        return pid, self._pidfd.value
