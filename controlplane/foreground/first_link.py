"""The login link that `up` shows: asked for while the examples start, by a process of its own, for `up` knows no Django."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 60.0


class FirstLink:
    """`manage.py login_link`, from its start to its answer. `close` ends it at whatever point."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "login_link", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )

    def url(self) -> str | None:
        """The link; None when there is none within WITHIN_S."""
        try:
            said, _ = self._process.communicate(timeout=WITHIN_S)
            return str(json.loads(said)["url"])
        except (subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
            return None
        finally:
            self.close()

    def close(self) -> None:
        """Kill and reap it, if it is still there."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
