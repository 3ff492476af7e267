"""The environment a process is started with: what was declared, files, and secrets, read at the moment of the start.

    what the node lets through < the tree's `environment` < `environment_files` < the child's `environment`

A node that runs as root reads a file with the rights of the child's user, unless its own settings name the file: who writes
a tree must not read, through a child's environment, what that user could not read himself.
"""

import contextlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from supervision.exceptions import SupervisionError
from supervision.runtime.environmentdoc import MAX_VALUE, RESERVED, SECRET_PREFIX, VARIABLE
from supervision.runtime.launch_spec import UserIds

MAX_FILE = 1024 * 1024

Variables = Mapping[str, str | Mapping[str, str]]
"""As in a document: text, or `{secret: NAME}`, or `{secret_file: PATH}`."""


class EnvironmentFault(SupervisionError, ValueError):  # noqa: N818 the document's or the host's: the message says
    """The environment of a child cannot be made; the message names the variable or the file, never a value."""


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """A file of variables; a missing one is no fault when `optional`."""

    path: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class EnvironmentSource:
    """What a document says about the environment of one child."""

    tree: Variables
    files: tuple[EnvironmentFile, ...]
    own: Variables

    @property
    def is_constant(self) -> bool:
        """Whether every start gives the same: nothing has to be read."""
        return not self.files and all(
            isinstance(value, str) for value in (*self.tree.values(), *self.own.values())
        )

    def resolve(
        self,
        secrets: Mapping[str, str],
        user: UserIds | None = None,
        trusted: Callable[[str], bool] = lambda path: False,
    ) -> dict[str, str]:
        """Name to value. Raises EnvironmentFault.

        secrets  the node's own environment; only names with SECRET_PREFIX are looked at
        user     whose rights files are read with, when we are root
        trusted  whether the node's settings let this file (no link) be read as the node
        """
        read = _Reader(user if os.geteuid() == 0 else None, trusted)
        made = {name: _value(name, value, secrets, read) for name, value in self.tree.items()}
        for file in self.files:
            made.update(_file_variables(file, read))
        made.update({name: _value(name, value, secrets, read) for name, value in self.own.items()})
        return made


class _Reader:
    """Reads small regular files."""

    def __init__(self, user: UserIds | None, trusted: Callable[[str], bool]) -> None:
        self._user, self._trusted = user, trusted

    def __call__(self, path: str) -> bytes:
        """The content; OSError, or EnvironmentFault for what is no small regular file."""
        # Not blocking: opening a FIFO would hold the node until somebody writes.
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        real = os.path.realpath(path)
        if self._user is not None and self._trusted(real):
            fd = os.open(
                real, flags | os.O_NOFOLLOW
            )  # the very file that was looked at, not what a link became
        else:
            with acting_as(self._user):
                fd = os.open(path, flags)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise EnvironmentFault(f"{path} is not a regular file")
            content = os.read(fd, MAX_FILE + 1)
        finally:
            os.close(fd)
        if len(content) > MAX_FILE:
            raise EnvironmentFault(f"{path} is larger than {MAX_FILE} bytes")
        return content


@contextlib.contextmanager
def acting_as(user: UserIds | None) -> Iterator[None]:
    """Run with the file system rights of `user` and come back. Only for root, and for a process with one thread."""
    if user is None:
        yield
        return
    uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
    try:
        os.setgroups(user.groups)
        os.setegid(user.gid)
        os.seteuid(user.uid)
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)
        os.setgroups(groups)


def _value(name: str, value: str | Mapping[str, str], secrets: Mapping[str, str], read: _Reader) -> str:
    if isinstance(value, str):
        return value
    if "secret" in value:
        held = secrets.get(SECRET_PREFIX + value["secret"])
        if held is None:
            raise EnvironmentFault(
                f"{name}: the node's environment does not hold {SECRET_PREFIX}{value['secret']}"
            )
        return held
    path = value["secret_file"]
    try:
        text = read(path).decode()
    except OSError as error:
        raise EnvironmentFault(f"{name}: secret file {path}: {os.strerror(error.errno or 0)}") from error
    except UnicodeDecodeError as error:
        raise EnvironmentFault(f"{name}: secret file {path} is not UTF-8") from error
    text = text.removesuffix("\n").removesuffix("\r")
    if "\0" in text or len(text) > MAX_VALUE:
        raise EnvironmentFault(f"{name}: secret file {path} holds what no variable can hold")
    return text


def _file_variables(file: EnvironmentFile, read: _Reader) -> dict[str, str]:
    try:
        text = read(file.path).decode()
    except FileNotFoundError as error:
        if file.optional:
            return {}
        raise EnvironmentFault(f"environment file {file.path} does not exist") from error
    except OSError as error:
        raise EnvironmentFault(f"environment file {file.path}: {os.strerror(error.errno or 0)}") from error
    except UnicodeDecodeError as error:
        raise EnvironmentFault(f"environment file {file.path} is not UTF-8") from error
    return parse_environment_file(text, file.path)


_LINE = re.compile(rf"(?:export[ \t]+)?({VARIABLE})=(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "$": "$", "`": "`"}


def parse_environment_file(text: str, path: str) -> dict[str, str]:
    """`NAME=value` lines; `#` and `;` begin comment lines; a value may stand in quotes; nothing is expanded.

    In double quotes `\\n`, `\\t`, `\\"`, `\\\\`, `\\$` are escapes, in single quotes nothing is. Raises EnvironmentFault.
    """
    made: dict[str, str] = {}
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = line.strip(" \t\r")
        if not line or line[0] in "#;":
            continue
        match = _LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise EnvironmentFault(f"{path}:{number}: not NAME=value")
        name, value = match[1], match[2].strip(" \t")
        if name in RESERVED:
            raise EnvironmentFault(f"{path}:{number}: {name} is set by Overstory itself")
        made[name] = _unquote(value, f"{path}:{number}")
    return made


def _unquote(value: str, where: str) -> str:
    if value[:1] not in ("'", '"'):
        return value
    quote = value[0]
    if len(value) < 2 or value[-1] != quote:
        raise EnvironmentFault(f"{where}: the quote is not closed at the end of the line")
    inner = value[1:-1]
    if quote == "'":
        return inner
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), inner)
