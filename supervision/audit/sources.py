"""Which files are audited, what their modules are called, and their text.

A directory is searched for Python files; each real directory is entered once, so links that lead back end there.
Caches, version control and virtual environments inside it are left out.
"""

import io
import os
import stat
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

MAX_BYTES = 8 << 20  # the syntax tree of more would take over a gigabyte
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
_SUFFIXES = (".py", ".pyw")


@dataclass(frozen=True, slots=True)
class Source:
    """A file: where it is, the path it is reported under, its module's name."""

    file: str
    path: str
    module: str
    is_package: bool
    size: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that was not audited, and why."""

    path: str
    message: str
    given: bool = False  # it is one of the paths that were asked for


def find(paths: list[str], exclude: Sequence[str] = ()) -> tuple[list[Source], list[Problem]]:
    """Every file below `paths`, ordered by path, each once; what cannot be read is a problem.

    `exclude`: patterns of files and directories below a given directory, relative to it; `*` does not stop at slashes.
    """
    found: dict[str, Source] = {}
    problems: list[Problem] = []
    for given in paths:
        root = Path(given)
        try:
            is_directory = stat.S_ISDIR(root.stat().st_mode)
        except OSError as error:
            problems.append(Problem(given, error.strerror or str(error), given=True))
            continue
        if not os.access(root, os.R_OK | os.X_OK if is_directory else os.R_OK):
            problems.append(Problem(given, "Permission denied", given=True))
            continue
        if is_directory:
            for file, path in _below(root, problems, exclude):
                _add(found, problems, file, path, root)
        else:
            _add(found, problems, root, root.as_posix(), root.parent)
    return sorted(found.values(), key=lambda source: source.path), problems


def _add(found: dict[str, Source], problems: list[Problem], file: Path, path: str, root: Path) -> None:
    try:
        real = os.path.realpath(file)
        status = Path(real).stat()
    except OSError as error:
        problems.append(Problem(path, error.strerror or str(error)))
        return
    if not stat.S_ISREG(status.st_mode):
        problems.append(Problem(path, "not a regular file"))
    elif status.st_size > MAX_BYTES:
        problems.append(Problem(path, f"larger than {MAX_BYTES >> 20} MiB"))
    elif real not in found:
        module, is_package = module_name(file, root)
        found[real] = Source(str(file), path, module, is_package, status.st_size)


def _below(root: Path, problems: list[Problem], exclude: Sequence[str]) -> list[tuple[Path, str]]:
    """Python files below a directory with their paths relative to it."""
    found: list[tuple[Path, str]] = []
    entered: set[tuple[int, int]] = set()
    pending = [root]
    while pending:
        directory = pending.pop()
        try:
            status = directory.stat()
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError as error:
            problems.append(Problem(_relative(directory, root), error.strerror or str(error)))
            continue
        for entry in entries:
            try:
                is_directory = entry.is_dir()
            except OSError:
                is_directory = False
            relative = _relative(directory / entry.name, root)
            if any(fnmatchcase(relative, pattern.rstrip("/")) for pattern in exclude):
                continue
            if is_directory:
                if not _left_out(entry):
                    pending.append(directory / entry.name)
            elif entry.name.endswith(_SUFFIXES):
                found.append((directory / entry.name, relative))
    return found


def _left_out(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name in _SKIPPED:
        return True
    return Path(entry.path, "pyvenv.cfg").exists()


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def module_name(file: Path, root: Path) -> tuple[str, bool]:
    """The dotted name that the file is imported by: from the topmost package around it, else from `root`."""
    is_package = file.stem == "__init__"
    parts = [] if is_package else [file.stem]
    directory = file.absolute().parent
    top = root.absolute()
    while (directory / "__init__.py").is_file():
        parts.insert(0, directory.name)
        if directory.parent == directory:
            break
        directory = directory.parent
    else:
        # Outside a package: directories below the root count, as in a namespace package.
        if directory != top and directory.is_relative_to(top):
            parts[0:0] = [part for part in directory.relative_to(top).parts if part not in ("src", "lib")]
    return ".".join(parts), is_package


def read(source: Source) -> tuple[bytes, list[str]]:
    """The bytes of a file and its lines, decoded as Python would; undecodable bytes are replaced. OSError passes."""
    content = Path(source.file).read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        encoding = "utf-8"
    text = content.decode(encoding, "replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return content, lines
