"""What `make setup` leaves behind: interpreter, exec shim, the embedded stores' programs."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from controlplane.doctor.findings import Finding, Host, fail, ok
from controlplane.embedded import postgres_server, redis_server
from controlplane.embedded.errors import EmbeddedStoreError
from supervision.runtime import shim

ROOT = Path(__file__).resolve().parents[2]
SETUP = "Run `make setup`."


def python(_host: Host) -> Iterator[Finding]:
    yield ok("install.python", f"Python {'.'.join(map(str, sys.version_info[:3]))} ({sys.executable})")


def exec_shim(_host: Host) -> Iterator[Finding]:
    """Needed by children with a user, hard limits, nice, a memory limit or sockets."""
    path = ROOT / "build" / shim.NAME
    if not os.access(path, os.X_OK):
        yield fail(
            "install.shim",
            f"{path} is not built",
            f"{SETUP} Children that name a user or limits cannot start without it.",
        )
    elif path.stat().st_mtime < shim.SOURCE.stat().st_mtime:
        yield fail("install.shim", f"{path} is older than its source", SETUP)
    else:
        yield ok("install.shim", "the exec shim is built")


def stores(host: Host) -> Iterator[Finding]:
    yield _store(host, "postgres", "DATABASE_URL", "bin/postgres", postgres_server.installed_binaries)
    yield _store(host, "redis", "REDIS_URL", "redis-server", redis_server.installed_binaries)


def _store(host: Host, name: str, variable: str, program: str, find: Callable[[], Path]) -> Finding:
    check = f"stores.{name}"
    if host.environ.get(variable):
        return ok(check, f"{variable} is given: the embedded one is not used (and the given one not asked)")
    try:
        path = find() / program
    except EmbeddedStoreError as error:
        return fail(check, str(error), f"{SETUP} Or give a {variable}.")
    if not os.access(path, os.X_OK):
        return fail(check, f"{path} cannot be executed", f"{SETUP} Or give a {variable}.")
    return ok(check, f"embedded, {path.name} from {path.parent}")


CHECKS = (python, exec_shim, stores)
