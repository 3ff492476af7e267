"""A running instance with a shop, and those who ask it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervision.runtime.client import ControlClient
from supervision.runtime.paths import Paths
from tests.support.foreground import ROOT, Up
from tests.support.memory_programs import supervisorctl
from tests.support.writers import Writers

SHOP = {
    "version": 1,
    "tree": "shop",
    "on_failure": {"action": "stay_down"},
    "supervisor": {
        "children": [
            {
                "id": "api",
                "process": {
                    "command": ["sh", "-c", "echo hello; while :; do echo oops >&2; sleep 0.5; done"]
                },
            },
            {"id": "job", "process": {"command": ["sleep", "100000"]}},
        ]
    },
}


@dataclass(slots=True)
class Platform:
    """A running instance, and an admin's token."""

    data: Path
    started: Up
    port: int
    token: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        return Writers(self.port, self.token, count=0).ask(method, path, body)

    def pids(self) -> dict[str, int | None]:
        return {child.key: child.pid for child in self.started.observed().processes()}

    def control(self, op: str, **args: Any) -> Any:
        with ControlClient(Paths(self.data).control_socket) as client:
            return client.call(op, timeout_s=60, **args)

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, "OVERSTORY_DATA_DIR": str(self.data), "OVERSTORY_PORT": str(self.port)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ctl(self, *arguments: str, password: str | None = None) -> tuple[int, str]:
        return supervisorctl(self.url, *arguments, user="chaos", password=password or self.token)
