"""Where an installed package keeps its files."""

from importlib.util import find_spec
from pathlib import Path


def package_directory(name: str) -> Path:
    """The package's folder, without importing it; LookupError when it is not installed."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise LookupError(f"{name} is not installed: make setup")
    return Path(spec.origin).parent
