"""Collect the browser's files into the data directory, once for each state of the sources."""

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from controlplane.embedded.commands import run
from supervision.runtime.paths import Paths

ROOT = Path(__file__).resolve().parents[2]
STAMP = ".collected"


def collect_assets(paths: Paths) -> bool:
    """Bring the instance's collected files up to date; False when nothing had changed since the last time.

    Takes a few seconds when something changed (every file is compressed twice) and some milliseconds otherwise. Files of
    earlier releases stay: a page that was open before an upgrade still finds them. Raises EmbeddedStoreError.
    """
    root = paths.data_dir / "static"
    wanted = digest_of_sources()
    stamp = root / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    root.mkdir(parents=True, exist_ok=True)
    run(
        [sys.executable, str(ROOT / "manage.py"), "collectstatic", "--no-input", "--verbosity", "0"],
        what="collecting the browser's files",
        environment={**os.environ, "OVERSTORY_DATA_DIR": str(paths.data_dir)},
    )
    stamp.write_text(wanted)
    return True


def digest_of_sources() -> str:
    """Of our files by name, size and time of change, and of what decides which files packages bring: the pins, the settings.

    Without Django: `manage.py up` runs without settings.
    """
    parts = [f"{path} {at.st_size} {at.st_mtime_ns}" for path, at in _facts()]
    parts += [(ROOT / name).read_text() for name in ("requirements.txt", "controlplane/settings.py")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _facts() -> Iterator[tuple[str, os.stat_result]]:
    for path in sorted((ROOT / "static").rglob("*")):
        if path.is_file():
            yield str(path), path.stat()
