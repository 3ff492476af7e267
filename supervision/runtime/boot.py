"""Entry point of guardian, node and their helpers: `python -I -S boot.py ROLE ...`.

Isolated and without site-packages, so that neither the environment nor an installed package can change what the
supervising processes run, and so that they start in 20 ms. Only the project's own root joins `sys.path`.
"""

import importlib
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class Later(ModuleType):
    """A module that is loaded when something of it is asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


def put_off() -> None:
    """What modules that we need import, and hardly ever ask: dataclasses asks `inspect` about classes without a docstring,
    urllib.parse (which pathlib imports) `ipaddress` about addresses in brackets. With what they import themselves they are
    0.5 and 0.3 megabytes of each of our processes, and 10 ms of their start."""
    for name in ("inspect", "ipaddress"):
        sys.modules.setdefault(name, Later(name))


if __name__ == "__main__":
    put_off()

from pathlib import Path  # noqa: E402  # behind what it would import

ROLES = ("guardian", "node", "rotator", "checkers", "sampler", "gateway")
ROOT = Path(__file__).resolve().parents[2]


def main(argv: list[str]) -> int:
    """Run the role named first in `argv`; 2 for an unknown one."""
    sys.path.insert(0, str(ROOT))
    role, rest = (argv[0], argv[1:]) if argv else ("", [])
    if role not in ROLES:
        sys.stderr.write(f"usage: boot.py {'|'.join(ROLES)} ...\n")
        return 2
    run: Callable[[list[str]], int] = importlib.import_module(f"supervision.runtime.{role}").main
    return run(rest)


def command(role: str, *args: str) -> list[str]:
    """The argv that starts `role` with this interpreter."""
    return [sys.executable, "-I", "-S", str(Path(__file__).resolve()), role, *args]


def missing() -> str:
    """What an exec of the code now on disk lacks, in words; empty when it can be done."""
    if not os.access(sys.executable, os.X_OK):
        return f"the interpreter {sys.executable} is not there any more, or may not be executed"
    if not os.access(__file__, os.R_OK):
        return f"{__file__} is not there any more, or may not be read"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
