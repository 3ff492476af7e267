"""Remove PostgreSQL's lock files when nobody holds them: `python -I -S clear_stale_lock.py DATA_DIR SOCKET_DIR`.

PostgreSQL removes the lock of a dead postmaster itself, but only while that pid is free: after a kill -9 or a reboot the
number may belong to anything, and then it refuses to start for as long as that process lives. A postmaster works in its
data directory, so the holder's working directory tells. Runs as `pre_start`; standard library only.
"""

import sys
from pathlib import Path


def holder_of(lock: Path) -> int | None:
    """The pid in a lock file's first line (negative for a stand-alone backend); None without a readable one."""
    try:
        return abs(int(lock.read_text(errors="replace").split("\n", 1)[0]))
    except (OSError, ValueError):
        return None


def works_in(pid: int, directory: Path) -> bool:
    """Whether process `pid` has `directory` as its working directory."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(directory)
    except OSError:
        return False


def clear(data_dir: Path, socket_dir: Path) -> list[Path]:
    """Remove the lock files that no postmaster of `data_dir` holds; the removed ones."""
    removed = []
    for lock in [data_dir / "postmaster.pid", *socket_dir.glob(".s.PGSQL.*.lock")]:
        pid = holder_of(lock)
        if lock.exists() and (pid is None or not works_in(pid, data_dir)):
            lock.unlink(missing_ok=True)
            removed.append(lock)
    return removed


def main(argv: list[str]) -> int:
    for lock in clear(Path(argv[0]), Path(argv[1])):
        sys.stderr.write(f"removed {lock}, which no running PostgreSQL holds\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
