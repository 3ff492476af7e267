"""The browser's files as the first instance of a test run collected them, for the instances after it.

Compressing them takes some seconds of a core, and dozens of instances are started. The first one of a checkout does it as
a user's does; what it made is kept below `build/`, under the digest of what it was made from.
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

from controlplane.assets.collecting import STAMP, digest_of_sources
from controlplane.operations.release import store_digest

ROOT = Path(__file__).resolve().parents[2]


def kept() -> Path:
    """Where this state of the sources is kept."""
    return ROOT / "build" / "test-assets" / f"{digest_of_sources()[:16]}-{store_digest()[:16]}"


def bring(data_dir: Path) -> None:
    """Put collected files into a data directory that has none yet, if an earlier instance left them."""
    source, target = kept(), data_dir / "static"
    if source.is_dir() and not target.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copytree(source, target)


def keep(data_dir: Path) -> None:
    """Keep what a finished instance collected, once."""
    source, target = data_dir / "static", kept()
    if target.exists() or not (source / STAMP).exists() or not (source / ".prepared").exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=target.parent))
    shutil.copytree(source, aside / "made")
    with contextlib.suppress(OSError):  # another worker was first
        (aside / "made").rename(target)
    shutil.rmtree(aside, ignore_errors=True)
