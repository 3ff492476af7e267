"""Running a store's child without a node: the same argv, environment, pre-start and probe as in the system tree."""

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_for


def probe(child: dict[str, Any]) -> bool:
    """Whether the child's readiness probe succeeds now."""
    command = child["process"]["readiness"]["exec"]["command"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextlib.contextmanager
def running(child: dict[str, Any], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The child's process, ready; killed at the end unless the body ended it."""
    process = child["process"]
    with log.open("ab") as file:
        for command in process.get("pre_start", ()):
            subprocess.run(command, check=True, stderr=file)
        started = subprocess.Popen(
            process["command"],
            env={"PATH": os.defpath, **process["environment"]},
            cwd=process["cwd"],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            user=process.get("user"),
            start_new_session=True,
        )
    try:
        wait_for(
            lambda: probe(child) or started.poll() is not None, timeout=60, what=f"{child['id']} is ready"
        )
        assert started.poll() is None, log.read_text()
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()


@contextlib.contextmanager
def short_directory() -> Iterator[Path]:
    """A private directory whose path leaves room for a socket's name."""
    with tempfile.TemporaryDirectory(prefix="ovs-") as path:
        yield Path(path)
