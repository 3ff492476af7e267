"""The login link that `up` shows: asked for while the instance starts, by a process of its own, for `up` knows no Django."""

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
        self._environment = {**os.environ, **environment}
        self._process = self._ask()

    def _ask(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "login_link", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )

    def url(self) -> str | None:
        """The link; None when there is none within WITHIN_S, or it failed twice."""
        try:
            return self._answer() or self._answer_of_another()
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.close()

    def _answer_of_another(self) -> str | None:
        """It was asked for early: what was not ready then may be by now."""
        self.close()
        self._process = self._ask()
        return self._answer()

    def _answer(self) -> str | None:
        said, _ = self._process.communicate(timeout=WITHIN_S)
        try:
            return str(json.loads(said)["url"])
        except (ValueError, KeyError, TypeError):
            return None

    def close(self) -> None:
        """Kill and reap it, if it is still there."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
