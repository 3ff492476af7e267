"""The secret key: given by the environment, else made once and kept in the data directory."""

import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path

from controlplane.given import given

FILE_NAME = "secret_key"


def secret_key(data_dir: Path, environ: Mapping[str, str]) -> str:
    """SECRET_KEY, or what SECRET_KEY_FILE holds, else the content of `secret_key` in the data directory (0600).

    The last is made on first use.
    Raises PermissionError when the file is open to others: a key that somebody may have read is no secret.
    """
    key = given("SECRET_KEY", environ)
    if key is not None:
        return key
    path = data_dir / FILE_NAME
    if not path.exists():
        _make(path)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path} is readable by others; remove it, and a new key is made")
    return path.read_text().strip()


def _make(path: Path) -> None:
    """Write a new key and link it into place: of two processes that race here, both read the winner's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".secret_key.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
    finally:
        Path(temporary).unlink()
