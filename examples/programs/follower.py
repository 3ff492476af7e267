"""Follows the greeter's log across its rotation and says every ten seconds how many visits it saw."""

import io
import os
import sys
from pathlib import Path

from greeter import log_path
from lifecycle import asked_to_stop, notify, take_stop_signals

LOOK_EVERY_S = 0.5
LOOKS_PER_REPORT = 20


class Followed:
    """A log file by name: when the name means another file, the old one is read to its end first."""

    def __init__(self) -> None:
        self.path = log_path()
        self.file: io.TextIOWrapper | None = None
        self.open(at_end=True)

    def open(self, *, at_end: bool) -> None:
        if self.path.exists():
            self.file = self.path.open()
            if at_end:
                self.file.seek(0, io.SEEK_END)

    def new_lines(self) -> int:
        lines = 0 if self.file is None else len(self.file.readlines())
        if self.path.exists() and (self.file is None or not same_file(self.file, self.path)):
            if self.file is not None:
                self.file.close()
            self.open(at_end=False)
        return lines


def same_file(file: io.TextIOWrapper, path: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def main() -> None:
    take_stop_signals()
    followed = Followed()
    notify("READY=1")
    looks = seen = total = 0
    while not asked_to_stop(LOOK_EVERY_S):
        seen += followed.new_lines()
        looks += 1
        if looks == LOOKS_PER_REPORT:
            total += seen
            sys.stdout.write(f"{seen} visits in the last ten seconds, {total} in all\n")
            sys.stdout.flush()
            notify(f"STATUS={total} visits seen")
            looks = seen = 0


if __name__ == "__main__":
    main()
