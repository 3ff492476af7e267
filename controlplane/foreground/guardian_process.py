"""The guardian as the foreground's child, or as what a command becomes by exec."""

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from controlplane.embedded.connections import Connections
from supervision.runtime import boot
from supervision.runtime.node_helpers import STORES_VARIABLE
from supervision.runtime.paths import Paths

ROOT = Path(__file__).resolve().parents[2]
LOG_FILE = "overstory.log"


def guardian_environment(
    environ: Mapping[str, str], paths: Paths, connections: Connections, *, stores: str = ""
) -> dict[str, str]:
    """What the guardian, and through it every child, is started with.

    `python` in a tree file is the Python that runs Overstory, and the examples find the embedded stores. The node keeps
    DATABASE_URL, REDIS_URL and SECRET_KEY from its children; those of the system tree read them from files of ours.
    `stores`: "embedded" or "given", where the node is to run a courier to them.
    """
    environment = {**environ, **connections.examples_environment()}
    environment["OVERSTORY_DATA_DIR"] = str(paths.data_dir)
    environment["EXAMPLE_STATE_DIR"] = str(paths.data_dir / "examples")
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment.pop(STORES_VARIABLE, None)
    if stores:
        environment[STORES_VARIABLE] = stores
    return environment


class GuardianProcess:
    """A guardian in a session of its own, so that the terminal's Ctrl-C reaches only us and we stop it in order.

    It holds one end of a pipe whose other end is ours: should we be killed, it stops everything by itself.
    """

    def __init__(self, paths: Paths, environment: Mapping[str, str]) -> None:
        self.log_file = paths.data_dir / LOG_FILE
        self._log_began = self.log_file.stat().st_size if self.log_file.exists() else 0
        theirs, self._lifeline = os.pipe()
        argv = boot.command(
            "guardian",
            f"--data-dir={paths.data_dir}",
            "--on-guardian-death=stop",
            f"--lifeline-fd={theirs}",
            f"--log-file={self.log_file}",
        )
        descriptor = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=dict(environment),
                cwd=ROOT,
                pass_fds=[theirs],
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
            os.close(theirs)
        self._pidfd = os.pidfd_open(self._process.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Its exit status (negative: the signal), None when it still runs after `timeout_s` seconds."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        ended = poll.poll(None if timeout_s is None else timeout_s * 1000)
        return self._process.wait() if ended else None

    def ask_to_stop(self) -> None:
        """Once in order; asked again it kills what is left."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)

    def last_words(self, lines: int = 10) -> str:
        """The end of what it logged since it was started."""
        with self.log_file.open("rb") as file:
            file.seek(self._log_began)
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
