"""What stands beside an abnormal exit: the last lines of stderr and what the machine knew. Never on the restart path."""

import os

from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.kinship import Leader
from supervision.runtime.output import OutputStore

LINES = 20
MAX_LINE = 500
TRACEBACK = "Traceback (most recent call last):"
TRACEBACK_LINES = 400
TRACEBACK_CHARACTERS = 16 * 1024
VMSTAT_BYTES = 64 * 1024
OOM_KILLS = b"\noom_kill "
NORMAL_ENDS = frozenset({"normal", "shutdown"})


class Evidence:
    """Writes one `exit` record for each abnormal end, after its restart."""

    def __init__(self, journal: Journal, output: OutputStore) -> None:
        self.journal, self.output = journal, output
        self._before = self._oom_kills = read_oom_kills()

    @staticmethod
    def wanted(reason: str) -> bool:
        return reason not in NORMAL_ENDS

    def look(self) -> None:
        """Call each second: an OOM kill of minutes ago is no evidence of anything."""
        self._before, self._oom_kills = self._oom_kills, read_oom_kills()

    def record(self, key: str, incarnation: int, reason: str, leader: Leader | None) -> None:
        """Look at the files and the counters now; a journal without room leaves evidence out first."""
        body: dict[str, object] = {"key": key, "incarnation": incarnation, "reason": reason}
        if leader is not None:
            body["pid"] = leader.pid
            body["status"] = leader.status
            body["source"] = leader.status_source
        if reason == "signal(9)" and read_oom_kills() > self._before:
            body["cause"] = "probably out of memory: the kernel's OOM counter rose"
        lines = self.output.tail(key, incarnation, "err", lines=LINES)
        body["stderr"] = [line[:MAX_LINE] for line in lines]
        traceback = self._traceback(key, incarnation)
        if len(traceback) > LINES:
            body["traceback"] = traceback
        try:
            self.journal.append("exit", body)
        except JournalFull:
            return

    def _traceback(self, key: str, incarnation: int) -> list[str]:
        return from_first_traceback(self.output.tail(key, incarnation, "err", lines=TRACEBACK_LINES))


def from_first_traceback(lines: list[str]) -> list[str]:
    """What begins with the first head of a traceback; the oldest lines are left out where it is too long."""
    first = next((at for at, line in enumerate(lines) if line.endswith(TRACEBACK)), None)
    if first is None:
        return []
    kept: list[str] = []
    room = TRACEBACK_CHARACTERS
    for line in reversed(lines[first:]):
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return kept[::-1]


def read_oom_kills() -> int:
    """Processes the kernel's OOM killer ended since boot; 0 where it does not say."""
    try:
        descriptor = os.open("/proc/vmstat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        text = b""
        while piece := os.read(descriptor, VMSTAT_BYTES):  # the kernel gives a page or so at a time
            text += piece
    finally:
        os.close(descriptor)
    at = text.find(OOM_KILLS)
    return int(text[at + len(OOM_KILLS) :].partition(b"\n")[0]) if at >= 0 else 0
