"""Putting a backup where nothing is yet: into an empty data directory and an empty database."""

import re
import tarfile
import tempfile
from pathlib import Path

from controlplane.operations import postgres_tools
from controlplane.operations.backup import DATA, DIRECTORIES, DUMP, FILES, read_manifest
from controlplane.operations.exceptions import OperationsError
from supervision.runtime.paths import Paths

_NAME = re.compile(rf"({'|'.join(re.escape(name) for name in FILES)}|({'|'.join(DIRECTORIES)})/[^/\0]+)")


def restore_backup(*, paths: Paths, given_url: str | None, source: Path, only_database: bool = False) -> str:
    """Restore all of it, or with `only_database` what a database of another place needs; when it was made.

    The embedded server is started for it where no URL is given. Nothing is overwritten: OperationsError for a data directory
    or a database that holds something.
    """
    try:
        with tarfile.open(source) as archive, tempfile.TemporaryDirectory(prefix="overstory-") as directory:
            manifest = read_manifest(archive)
            dumped = Path(directory) / DUMP
            dumped.touch(mode=0o600)
            _extract(archive, DUMP, dumped)
            postgres_tools.contents(dumped)
            if not only_database:
                _restore_files(archive, paths)
            _restore_database(paths, given_url, dumped)
    except (tarfile.TarError, EOFError) as error:
        raise OperationsError(f"{source} cannot be read: {error}") from error
    return str(manifest["made_at"])


def _restore_files(archive: tarfile.TarFile, paths: Paths) -> None:
    found = [name for name in FILES if (paths.data_dir / name).exists()]
    if found or any(paths.journal_dir.glob("*")):
        raise OperationsError(
            f"{paths.data_dir} holds an instance already ({', '.join(found) or 'a journal'}); move it away, or name "
            "another directory with --data-dir"
        )
    paths.prepare()
    for member in archive.getmembers():
        name = member.name.removeprefix(DATA)
        if (
            member.name.startswith(DATA)
            and member.isreg()
            and _NAME.fullmatch(name)
            and name not in ("..", ".")
        ):
            target = paths.data_dir / name
            target.touch(mode=0o600)
            _extract(archive, member.name, target)
    paths.restored.touch(mode=0o600)


def _restore_database(paths: Paths, given_url: str | None, dumped: Path) -> None:
    if given_url is not None:
        _into(given_url, dumped)
        return
    paths.prepare()
    paths.prepare_runtime()
    with postgres_tools.embedded_server(paths) as url:
        _into(url, dumped)


def _into(url: str, dumped: Path) -> None:
    if not postgres_tools.is_empty(url):
        raise OperationsError("the database is not empty; a backup is restored into an empty one")
    postgres_tools.restore(dumped, url)


def _extract(archive: tarfile.TarFile, name: str, target: Path) -> None:
    """The content of one entry into a file that is there, whatever the archive says of owners and links."""
    member = archive.extractfile(name)
    if member is None:
        raise OperationsError(f"the backup's {name} is no file")
    with target.open("wb") as file:
        while block := member.read(1024 * 1024):
            file.write(block)
