#!/usr/bin/env python3
"""The audit as a pre-commit hook: run from a clone of this repository, nothing installed (see .pre-commit-hooks.yaml)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from supervision.audit.cli import main  # after the path is set

if __name__ == "__main__":
    sys.exit(main())
