"""Which version of the code this is, by its content: an upgrade is noticed whatever brought it."""

import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("controlplane", "supervision", "agents")
ASSETS = ("templates", "static")


@cache
def code_digest() -> str:
    """Of everything our processes run and serve. Another digest is another child: applying it restarts the process."""
    files = [ROOT / "requirements.txt"]
    for name in PACKAGES:
        files += (ROOT / name).rglob("*.py")
        files += (ROOT / name).rglob("*.sql")
    return _digest([*files, *_assets()])


@cache
def store_digest() -> str:
    """Of what preparing the stores depends on: migrations and static files."""
    files = [ROOT / "requirements.txt", *_assets()]
    for name in PACKAGES:
        files += (ROOT / name).rglob("migrations/*")
    return _digest(files)


def _assets() -> list[Path]:
    roots = [ROOT / name for name in ASSETS] + [ROOT / "controlplane/dashboard" / name for name in ASSETS]
    return [path for root in roots if root.is_dir() for path in root.rglob("*")]


def _digest(files: Iterable[Path]) -> str:
    made = hashlib.sha256()
    for path in sorted(set(files)):
        if path.is_file() and "__pycache__" not in path.parts:
            made.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return made.hexdigest()[:12]
