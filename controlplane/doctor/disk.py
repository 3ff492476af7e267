"""The data directory: whose it is, how much room it has, and what its file system can do."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from controlplane.doctor.findings import Finding, Host, fail, ok, warn
from supervision.explain.words import size
from supervision.runtime.linux import fallocate_keep, punch_hole

LITTLE = 256 << 20
"""Under this the journal may soon use its reserve."""

ENOUGH = 2 << 30
"""The outbox's default bound (1 GiB) and as much again for output and the stores."""

NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "glusterfs"})


def directory(host: Host) -> Iterator[Finding]:
    path = host.paths.data_dir
    if not path.exists():
        where = _nearest(path)
        if os.access(where, os.W_OK | os.X_OK):
            yield ok("disk.directory", f"{path} will be made at the first start")
        else:
            yield fail("disk.directory", f"{path} cannot be made: {where} may not be written", _ELSEWHERE)
        return
    seen = path.stat()
    if seen.st_uid != os.geteuid():
        yield fail(
            "disk.directory", f"{path} belongs to uid {seen.st_uid}", f"Run as that user. {_ELSEWHERE}"
        )
    elif not os.access(path, os.W_OK | os.X_OK):
        yield fail("disk.directory", f"{path} may not be written", _ELSEWHERE)
    elif seen.st_mode & 0o077:
        yield warn(
            "disk.directory", f"{path} is open to others ({seen.st_mode & 0o777:o})", f"chmod 700 {path}"
        )
    else:
        yield ok("disk.directory", f"{path}, ours alone")


_ELSEWHERE = "Choose another one with OVERSTORY_DATA_DIR."


def space(host: Host) -> Iterator[Finding]:
    where = _nearest(host.paths.data_dir)
    seen = os.statvfs(where)
    free = seen.f_bavail * seen.f_frsize
    text = f"{size(free)} free of {size(seen.f_blocks * seen.f_frsize)}"
    advice = (
        "Free space. With a full disk what runs runs on, but nothing is started: it could not be recorded."
    )
    if free < LITTLE:
        yield fail("disk.space", text, advice)
    elif free < ENOUGH:
        yield warn("disk.space", text, advice)
    else:
        yield ok("disk.space", text)
    if seen.f_files and seen.f_favail < 10_000:
        yield warn(
            "disk.inodes", f"{seen.f_favail} inodes left", "Each life of a child takes up to four files."
        )


def file_system(host: Host) -> Iterator[Finding]:
    kind = _type_of(_nearest(host.paths.data_dir))
    if kind in NETWORK:
        yield warn(
            "disk.filesystem", f"{kind}, over a network", "The journal waits for it. Use a local disk."
        )
    else:
        yield ok("disk.filesystem", kind or "unknown")


def features(host: Host) -> Iterator[Finding]:
    """What the journal's reserve and log rotation ask of the file system, tried in a file that is removed at once."""
    where = _nearest(host.paths.data_dir)
    if not os.access(where, os.W_OK | os.X_OK):
        return
    with tempfile.TemporaryFile(dir=where) as file:
        file.write(b"x" * 65536)
        file.flush()
        yield _try(
            "disk.fallocate",
            "the journal's reserve is allocated ahead (fallocate)",
            lambda: fallocate_keep(file.fileno(), 0, 1 << 20),
            "A ballast file stands in for it.",
        )
        yield _try(
            "disk.punch_hole",
            "logs are rotated without a gap (punch hole)",
            lambda: punch_hole(file.fileno(), 0, 4096),
            "Logs are copied and truncated instead, which may lose lines of a child that writes just then.",
        )


def _try(check: str, what: str, attempt: Callable[[], object], advice: str) -> Finding:
    try:
        attempt()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return fail(check, f"not tried: {os.strerror(errno.ENOSPC)}", "Free space.")
        return warn(check, f"not here: {what}", advice)
    return ok(check, what)


def _nearest(path: Path) -> Path:
    """`path`, or the nearest directory above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def _type_of(path: Path) -> str:
    """File system type of the mount that holds `path`."""
    best, kind = "", ""
    real = os.path.realpath(path)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        mount = before.split()[4].encode().decode("unicode_escape")
        inside = mount == "/" or real == mount or real.startswith(mount + "/")
        if inside and len(mount) >= len(best):
            best, kind = mount, after.split()[0]
    return kind


CHECKS = (directory, space, file_system, features)
