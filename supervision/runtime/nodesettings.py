"""node.toml: what the owner of a host lets trees do on it, and the node's own bounds.

The file is the host's. Nothing that comes from the control plane can change or widen it, so it is the last word on which
programs run here and as whom.
"""

import errno
import functools
import grp
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from supervision.exceptions import SupervisionError
from supervision.runtime.fielddoc import DocumentErrors, Field, Section, collect
from supervision.runtime.fieldshapes import Either, ListOf
from supervision.runtime.fieldtypes import Count, Flag, PathText, Size, Text, Word
from supervision.runtime.hostfields import ACCOUNT
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import LaunchPlan, UserIds
from supervision.runtime.placementfields import LABELS

ANY = "*"
_GLOB = Either((Word((ANY,)), PathText("absolute path or pattern")))
_GLOBS = ListOf(_GLOB, most=1000, unique=True, called="list of patterns")
_ACCOUNT = Either((Word((ANY,)), Text("name or number", ACCOUNT)))
_ACCOUNTS = ListOf(_ACCOUNT, most=1000, unique=True, called="list of names")

NODE = Section(
    "node.toml",
    (
        Field(
            "executables",
            _GLOBS,
            None,
            "Programs that trees may run: absolute paths, with `*` for a part of a name, `**` across directories; `*`: any.",
        ),
        Field(
            "users",
            _ACCOUNTS,
            None,
            "Users that children may run as. Default: the node's own; for a root node any but root.",
        ),
        Field("groups", _ACCOUNTS, [], "Groups that children may have beside those of their user."),
        Field(
            "files",
            _GLOBS,
            [],
            "Secret and environment files a root node reads as root; others with the child's rights.",
        ),
        Field("root_children", Flag(), False, "Whether a node that runs as root may run children as root."),
        Field(
            "labels",
            LABELS,
            {},
            "For placement.",
        ),
        Field(
            "limits",
            Section(
                "node limits",
                (
                    Field(
                        "journal",
                        Size(64 * 2**20),
                        "1GiB",
                        "Journal kept while it cannot be shipped; the oldest records go first.",
                    ),
                    Field(
                        "children", Count(1, 1_000_000), 10_000, "Children on this node, all trees together."
                    ),
                ),
            ),
            {},
            "Bounds of the node itself.",
        ),
    ),
)


class NodeSettingsError(SupervisionError):
    """The node's settings cannot be read; the message names the file and every fault."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """What this host lets trees do.

    executables    patterns; None: any, and nobody has said so (see `is_explicit`)
    users          None: the node's own user; on a root node any but root
    groups         allowed beside the groups of the child's user
    files          patterns of files that a root node reads as root on behalf of children
    root_children  on a root node: children may run as root, and need not name a user
    """

    executables: tuple[str, ...] | None = None
    users: tuple[str, ...] | None = None
    groups: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    root_children: bool = False

    @classmethod
    def from_node_toml(cls, settings: Mapping[str, Any]) -> Self:
        """From the content of node.toml. Raises DocumentErrors."""
        return cls._of(_read(settings))

    @classmethod
    def _of(cls, normal: Mapping[str, Any]) -> Self:
        return cls(
            executables=tuple(normal["executables"]) if "executables" in normal else None,
            users=tuple(normal["users"]) if "users" in normal else None,
            groups=tuple(normal["groups"]),
            files=tuple(normal["files"]),
            root_children=normal["root_children"],
        )

    @property
    def is_explicit(self) -> bool:
        """Whether the owner has said which programs and users: asked of a host that takes orders from another one."""
        return self.executables is not None and self.users is not None

    def executable_problem(self, path: str) -> str:
        """Why the program at this absolute path may not run here; empty when it may.

        The path is looked at twice: with the links of its directory followed, and with all followed. So a virtual
        environment's `python` may be listed by its own name, and no `..` leads around a pattern.
        """
        if self.executables is None or ANY in self.executables:
            return ""
        directory, name = os.path.split(path)
        if _matches(self.executables, os.path.join(os.path.realpath(directory), name)):
            return ""
        if _matches(self.executables, os.path.realpath(path)):
            return ""
        return f"{path} is not in the allow-list of this node (executables in node.toml)"

    def trusts_file(self, path: str) -> bool:
        """Whether a root node may read this file as root for a child."""
        return ANY in self.files or _matches(self.files, os.path.realpath(path))

    def user_problem(self, user: UserIds | None, *, as_root: bool) -> str:
        """Why children may not run as this user (None: the node's own) here; empty when they may."""
        if not as_root:
            return self._problem_of_ordinary_node(user)
        if user is None or user.uid == 0:
            if self.root_children or (user is not None and self._lists_root()):
                return ""
            who = "names no user" if user is None else "would run as root"
            return (
                f"the node runs as root and the child {who}; name a user, or set root_children in node.toml"
            )
        if self.users is not None and not _lists(self.users, user.name, user.uid):
            return f"user {user.name} is not in the allow-list of this node (users in node.toml)"
        return self._group_problem(user)

    @staticmethod
    def _problem_of_ordinary_node(user: UserIds | None) -> str:
        if user is None or user.is_self():
            return ""
        own = os.geteuid()
        if user.uid == own:
            return f"the node runs as uid {own} and cannot give a child group {user.gid}"
        return f"the node runs as uid {own}, not as root: a child cannot run as {user.name}"

    def _lists_root(self) -> bool:
        return self.users is not None and any(each in ("root", "0") for each in self.users)

    def _group_problem(self, user: UserIds) -> str:
        try:
            own = UserIds.lookup(user.name)
        except LaunchError:  # a number without a name has no groups of its own
            own = None
        if own is not None and user.gid in (own.gid, *own.groups):
            return ""
        if ANY in self.groups or str(user.gid) in self.groups or user.gid in _gids(self.groups):
            return ""
        return f"group {user.gid} is none of user {user.name}'s, nor in the allow-list of this node (groups in node.toml)"

    def check(self, plan: LaunchPlan, *, as_root: bool) -> None:
        """Refuse a launch that the host does not allow: LaunchError. The last look, at what is really executed."""
        if plan.executable is not None:
            problem = self.executable_problem(plan.executable)
            if problem:
                raise LaunchError(errno.EACCES, "executable", problem)
        problem = self.user_problem(plan.user, as_root=as_root)
        if problem:
            raise LaunchError(errno.EPERM, "user", problem)


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """node.toml, with defaults for what it does not say. Sizes in bytes."""

    allow: AllowList
    labels: Mapping[str, str]
    journal_bytes: int
    max_children: int

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read the file; without one everything has its default. Raises NodeSettingsError."""
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return cls._of(_read({}))
        except OSError as error:
            raise NodeSettingsError(f"{path}: {os.strerror(error.errno or 0)}") from error
        import tomllib  # most nodes have no such file

        try:
            return cls._of(_read(tomllib.loads(content.decode())))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NodeSettingsError(f"{path}: {error}") from error
        except DocumentErrors as error:
            raise NodeSettingsError("\n".join(f"{path}: {each}" for each in error.errors)) from error

    @classmethod
    def _of(cls, normal: Mapping[str, Any]) -> Self:
        limits = normal["limits"]
        return cls(AllowList._of(normal), normal["labels"], limits["journal"], limits["children"])


def _read(settings: Mapping[str, Any]) -> dict[str, Any]:
    normal: dict[str, Any] = collect(lambda report: NODE.read(settings, "", report))
    return normal


def _lists(accounts: tuple[str, ...], name: str, number: int) -> bool:
    return any(each in (ANY, name, str(number)) for each in accounts)


def _gids(groups: tuple[str, ...]) -> set[int]:
    found = set()
    for name in groups:
        try:
            found.add(grp.getgrnam(name).gr_gid)
        except KeyError:
            continue
    return found


def _matches(patterns: tuple[str, ...], path: str) -> bool:
    return any(_pattern(each).fullmatch(path) is not None for each in patterns)


@functools.lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay within a name, `**` does not; everything else stands for itself."""
    parts = re.split(r"(\*\*|\*|\?)", glob)
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(words.get(part) or re.escape(part) for part in parts), re.DOTALL)
