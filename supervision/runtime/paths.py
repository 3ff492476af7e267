"""Where one instance keeps its files and its sockets.

The data directory holds what must survive a reboot (journal, exits, logs, desired trees, the embedded stores). The runtime
directory holds Unix sockets; it is short, because a socket path ends at 107 bytes, and derived from the data directory, so
that two instances never meet. docs/adr/0006 says why they are apart.
"""

import json
import os
import stat
import zlib
from dataclasses import dataclass
from pathlib import Path

from supervision.exceptions import SupervisionError

SAMPLER_SOCKET = "sampler.sock"
COURIER_SOCKET = "courier.sock"
LEASE_FILE = "lease.json"
"""Files of the runtime directory beside the control socket."""

PROTOCOL = 1
"""Version of runtime.json and of the local protocols that it announces."""


class UnsafeDirectoryError(SupervisionError):
    """A directory of ours belongs to somebody else or is open to others."""


@dataclass(frozen=True, slots=True)
class Paths:
    """Every path of the instance whose data directory is `data_dir`."""

    data_dir: Path

    @classmethod
    def from_environment(cls, data_dir: str | None = None) -> "Paths":
        """`data_dir`, else OVERSTORY_DATA_DIR, else `var` beside the code."""
        chosen = data_dir or os.environ.get("OVERSTORY_DATA_DIR")
        root = Path(chosen) if chosen else Path(__file__).resolve().parents[2] / "var"
        return cls(Path(os.path.abspath(root.expanduser())))

    @property
    def instance_id(self) -> str:
        """Eight hex digits that name this instance on its machine."""
        return f"{zlib.crc32(os.fsencode(os.path.realpath(self.data_dir))):08x}"

    @property
    def runtime_dir(self) -> Path:
        """The running guardian's runtime directory, else the one the next guardian would take."""
        try:
            return Path(json.loads(self.runtime_json.read_text())["runtime_dir"])
        except (OSError, ValueError, KeyError, TypeError):
            return self._default_runtime_dir()

    def _default_runtime_dir(self) -> Path:
        if os.access("/run", os.W_OK):
            return Path("/run/overstory") / self.instance_id
        session = os.environ.get("XDG_RUNTIME_DIR")
        if session and os.access(session, os.W_OK):
            return Path(session) / "overstory" / self.instance_id
        temporary = Path(os.environ.get("TMPDIR") or "/tmp")  # noqa: S108 checked to be ours when it is made
        return temporary / f"overstory-{os.getuid()}" / self.instance_id

    @property
    def runtime_json(self) -> Path:
        return self.data_dir / "runtime.json"

    @property
    def guardian_lock(self) -> Path:
        return self.data_dir / "guardian.lock"

    @property
    def node_json(self) -> Path:
        return self.data_dir / "node.json"

    @property
    def reporting_json(self) -> Path:
        return self.data_dir / "reporting.json"

    @property
    def node_toml(self) -> Path:
        return self.data_dir / "node.toml"

    @property
    def restored(self) -> Path:
        """There after a restore: the processes that the journal tells of are not ours to look for."""
        return self.data_dir / "restored"

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal"

    @property
    def exits_dir(self) -> Path:
        return self.data_dir / "exits"

    @property
    def logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def desired_dir(self) -> Path:
        return self.data_dir / "desired"

    @property
    def templates_dir(self) -> Path:
        """What templates printed while they imported; of this node's life only."""
        return self.data_dir / "templates"

    @property
    def control_socket(self) -> Path:
        return self.runtime_dir / "control.sock"

    @property
    def notify_socket(self) -> Path:
        """Beside the runtime directory, not in it: children of other users must reach this one socket and no other."""
        return self.runtime_dir.with_suffix(".notify")

    @property
    def agent_socket(self) -> Path:
        """`OVERSTORY_SOCKET` of the children, which the gateway answers; beside the runtime directory like the other."""
        return self.runtime_dir.with_suffix(".agent")

    @property
    def courier_socket(self) -> Path:
        return self.runtime_dir / COURIER_SOCKET

    @property
    def spool_dir(self) -> Path:
        """What programs said, until it is stored."""
        return self.data_dir / "spool"

    @property
    def checkpoints_dir(self) -> Path:
        return self.data_dir / "checkpoints"

    def prepare(self) -> None:
        """Make the directories that stay, 0700 and ours; UnsafeDirectoryError where one cannot be trusted."""
        _private_directory(self.data_dir)
        for path in (self.journal_dir, self.exits_dir, self.logs_dir, self.desired_dir, self.spool_dir):
            _private_directory(path)

    def prepare_runtime(self) -> None:
        """Make the runtime directory, as `prepare` does. For the guardian, which holds the lock.

        One that a dead guardian left is used again, because children that live know its notify socket; unless it is gone or
        somebody else's by now (a logout takes XDG_RUNTIME_DIR with it), and then runtime.json is out of date.
        """
        recorded = self.runtime_dir
        if recorded != self._default_runtime_dir() and not _is_private(recorded):
            self.runtime_json.unlink(missing_ok=True)
        runtime = self.runtime_dir
        if runtime.parent.parent == Path("/run"):
            _open_directory(runtime.parent)
        else:
            _private_directory(runtime.parent)
        _private_directory(runtime)


def _is_private(path: Path) -> bool:
    """Whether it is there, ours, and closed to others."""
    try:
        seen = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o077


def _open_directory(path: Path) -> None:
    """Make it, and let others through it where it is ours: their children reach the notify socket there. Whatever our
    umask."""
    path.mkdir(exist_ok=True)
    seen = path.stat()
    if seen.st_uid == os.getuid() and seen.st_mode & 0o055 != 0o055:
        path.chmod(0o755)


def _private_directory(path: Path) -> None:
    """Make it, or see that it is ours, also where it is a link (made by us: in /tmp anybody else may have been first)."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        link, seen = path.lstat(), path.stat()
    except FileExistsError:
        raise UnsafeDirectoryError(f"{path} is not a directory") from None
    for found in (link, seen):
        if found.st_uid != os.getuid():
            raise UnsafeDirectoryError(f"{path} belongs to uid {found.st_uid}, not to uid {os.getuid()}")
    if seen.st_mode & 0o077:
        path.chmod(0o700)
