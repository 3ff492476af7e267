"""One file that holds an instance: its database, and what its node keeps on disk.

    manifest.json     what it is, when and by which version it was made
    database.dump     pg_dump's custom format
    data/…            node.json, node.toml, secret_key, desired trees, journal, exits

The database is dumped first and the journal read afterwards, so every record that the database knows is in the journal's
files or older than they are. Not in it: what children wrote (logs), and Redis, which is a broker and holds no truth.
"""

import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controlplane.operations import postgres_tools
from controlplane.operations.exceptions import OperationsError
from controlplane.operations.release import code_digest
from supervision.runtime.clock import SystemClock
from supervision.runtime.paths import Paths
from supervision.runtime.version import VERSION

FORMAT = 1
MANIFEST = "manifest.json"
DUMP = "database.dump"
DATA = "data/"
FILES = ("node.json", "node.toml", "secret_key")
DIRECTORIES = ("desired", "journal", "exits")


def make_backup(*, paths: Paths, url: str, target: Path) -> dict[str, Any]:
    """Write the backup, 0600, whole or not at all; its manifest. OperationsError.

    Any: the manifest is JSON, with `rows` by table.
    """
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=target.parent) as directory:
        dumped = Path(directory) / DUMP
        postgres_tools.dump(url, dumped)
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "code": code_digest(),
            "made_at": datetime.fromtimestamp(SystemClock().wall(), UTC).isoformat(timespec="seconds"),
            "dump_entries": len(postgres_tools.contents(dumped)),
        }
        fresh = Path(directory) / "backup"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
                _add_bytes(archive, MANIFEST, json.dumps(manifest, indent=1).encode())
                archive.add(dumped, DUMP)
                for path in node_files(paths):
                    _add_file(archive, path, DATA + str(path.relative_to(paths.data_dir)))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    return manifest


def node_files(paths: Paths) -> Iterator[Path]:
    """What a node keeps on disk and cannot make again."""
    for name in FILES:
        if (paths.data_dir / name).is_file():
            yield paths.data_dir / name
    for name in DIRECTORIES:
        for path in sorted((paths.data_dir / name).glob("*")):
            if path.is_file() and not path.name.startswith("."):
                yield path


def _add_file(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """A file that may grow or go while it is read: what it holds now."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return  # the journal drops segments that were shipped
    _add_bytes(archive, name, content)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    entry.mtime = int(SystemClock().wall())
    archive.addfile(entry, io.BytesIO(content))


def read_manifest(archive: tarfile.TarFile) -> dict[str, Any]:
    """OperationsError for a file that is no backup, or one of a later format."""
    try:
        member = archive.extractfile(MANIFEST)
        manifest = json.load(member) if member is not None else None
    except (KeyError, ValueError, tarfile.TarError) as error:
        raise OperationsError("this is no backup of Overstory") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise OperationsError(f"this backup has a format that this version does not know: {manifest}")
    return manifest
