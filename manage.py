#!/usr/bin/env python3
"""Overstory's command line; also runs from outside `.venv`, which it then enters by exec."""

import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
INTERPRETER = ROOT / ".venv/bin/python"


def enter_venv() -> None:
    """Become `.venv`'s Python, so that `python3 manage.py tree` works in any terminal. Exits when there is none."""
    if INTERPRETER.exists() and not os.environ.get("OVERSTORY_ENTERED_VENV"):
        os.environ["OVERSTORY_ENTERED_VENV"] = "1"
        os.execv(INTERPRETER, [str(INTERPRETER), str(ROOT / "manage.py"), *sys.argv[1:]])
    sys.exit(f"Overstory is not set up for {sys.executable}: run `make -C {ROOT} setup` first")


def main() -> None:
    if sys.argv[1:2] == ["up"]:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `up` has its own: nothing runs yet, no traceback
    try:
        from django.core.management import execute_from_command_line

        from controlplane.cli.main import run
    except ImportError:
        enter_venv()
    os.environ.pop("OVERSTORY_ENTERED_VENV", None)
    if run(sys.argv):  # an operator's command: without settings, stores and their start-up time
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
