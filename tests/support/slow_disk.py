"""A disk on which each sync of a file takes as long as a test says: what a program under it was told to be safe, is it?"""

import hashlib
import os
import subprocess
from functools import cache
from pathlib import Path

from supervision.runtime.boot import ROOT

SOURCE = Path(__file__).with_name("slow_disk.c")


@cache
def library() -> str:
    """To be preloaded; compiled once for each version of its source."""
    built = ROOT / "build" / f"slow_disk-{hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]}.so"
    if not built.exists():
        built.parent.mkdir(exist_ok=True)
        fresh = built.with_suffix(f".{os.getpid()}")
        command = ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(fresh), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        fresh.rename(built)
    return str(built)


def environment(sync_ms: int) -> dict[str, str]:
    """For a program on such a disk."""
    return {"LD_PRELOAD": library(), "SLOW_SYNC_MS": str(sync_ms)}
