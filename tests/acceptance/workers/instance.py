"""A running instance beside a broker of its own, for trees of Celery workers."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.support.celery_lab import ROOT, CeleryLab
from tests.support.foreground import Up


@dataclass(frozen=True)
class Running:
    """What the tests in here share."""

    instance: Up
    lab: CeleryLab

    def manage(self, *words: str) -> Any:
        """What the command says with --json."""
        environment = {**os.environ, "OVERSTORY_DATA_DIR": str(self.instance.data_dir)}
        ran = subprocess.run(
            [sys.executable, "manage.py", *words, "--json"], cwd=ROOT, env=environment, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert ran.returncode == 0, (words, ran.stdout, ran.stderr)
        return json.loads(ran.stdout)
