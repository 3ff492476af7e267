"""What the kernel shows of a forked process, written as if it had been exec'd: arguments, the marker, the name."""

import contextlib
import os

MARK = b"OVERSTORY_MARK="


class Shown:
    """The memory that the kernel shows as a process's arguments and environment.

    A marker set after a fork does not show there, but one written over the bytes of the template's own does; a new node
    finds agents by it. Where the kernel hides the places nothing is written; journal and control group have to do then.
    """

    def __init__(self) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        self._arguments, self._arguments_end, environment = (int(fields[at]) for at in (45, 46, 47))
        with open("/proc/self/environ", "rb") as file:
            shown = b"\0" + file.read()
        at = shown.find(b"\0" + MARK)
        self._mark = environment + at + len(MARK)
        self._room = len(shown[at + 1 + len(MARK) :].partition(b"\0")[0]) if at >= 0 else 0

    def show(self, mark: str, command: list[str], name: str) -> None:
        """`name` is what `ps -o comm` shows; the kernel keeps 15 bytes. By files of /proc: calls into the C library would
        make pages of their own."""
        with contextlib.suppress(OSError):
            memory = os.open("/proc/self/mem", os.O_WRONLY | os.O_CLOEXEC)
            try:
                self._write(memory, self._mark, mark.encode(), self._room)
                words = b"\0".join(word.encode() for word in command)
                self._write(memory, self._arguments, words, self._arguments_end - self._arguments - 1)
            finally:
                os.close(memory)
            comm = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(comm, name.encode()[:15])
            finally:
                os.close(comm)

    def _write(self, memory: int, at: int, text: bytes, room: int) -> None:
        if self._arguments and len(text) <= room:  # a kernel may hide where they are
            os.pwrite(memory, text.ljust(room, b"\0"), at)
