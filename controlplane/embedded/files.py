"""Small files that a store reads when it starts."""

import hashlib
import os
from pathlib import Path


def write_atomically(path: Path, text: str, *, like: Path | None = None) -> None:
    """Replace `path` whole, 0600, owned as `like` is; nothing is written when it says `text` already."""
    try:
        if path.read_text() == text:
            return
    except OSError:
        pass
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    temporary.touch(mode=0o600, exist_ok=False)
    temporary.write_text(text)
    if like is not None and os.geteuid() == 0:
        owner = like.stat()
        os.chown(temporary, owner.st_uid, owner.st_gid)
    temporary.replace(path)


def digest_of(text: str) -> str:
    """Names a version of a settings file, so that a changed one is a changed child and restarts it."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
