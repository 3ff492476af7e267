"""Runs a script on a file system of a few megabytes that really can be full: a tmpfs in a mount namespace of its own.

Nothing is left on the machine: the mount goes with the namespace. As root directly, else through a user namespace. The
script has the project on its path and the mount point as first argument.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def run_on_small_disk(code: str, mount_point: Path, *, megabytes: int = 4) -> str:
    """What `code` prints; fails with its traceback when it fails."""
    unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    script = 'mount -t tmpfs -o size="$2"m tmpfs "$1" && exec "$3" -c "$4" "$1"'
    done = subprocess.run(
        [*unshare, "sh", "-c", script, "sh", str(mount_point), str(megabytes), sys.executable, code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
