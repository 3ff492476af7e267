"""Programs that misbehave, to see what supervision does about it.

`trouble.py crash SECONDS` raises after so long; `trouble.py leak MIB_PER_SECOND` grows until its limit; `trouble.py steady`
only lives.
"""

import sys

from lifecycle import asked_to_stop, notify, take_stop_signals, who

MIB = 1 << 20


def crash(seconds: float) -> None:
    """Live for a while, then die of a bug."""
    sys.stdout.write(f"{who()} will crash in {seconds:g} s\n")
    sys.stdout.flush()
    if not asked_to_stop(seconds):
        raise RuntimeError("this bug is on purpose; `manage.py explain` tells what became of it")


def leak(mib_per_second: float) -> None:
    """Keep everything; the tree file's address space limit ends it with a MemoryError."""
    kept: list[bytearray] = []
    while not asked_to_stop(1.0):
        kept.append(bytearray(int(mib_per_second * MIB)))
        notify(f"STATUS={sum(map(len, kept)) // MIB} MiB kept")


def steady() -> None:
    while not asked_to_stop(3600):
        pass


def main() -> None:
    take_stop_signals()
    notify("READY=1")
    match sys.argv[1:]:
        case ["crash", seconds]:
            crash(float(seconds))
        case ["leak", rate]:
            leak(float(rate))
        case ["steady"]:
            steady()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
