"""What was given to us and must not be seen, such as DATABASE_URL and SECRET_KEY: as a value or as a file.

`NAME_FILE` names a file that holds the value, as container platforms hand secrets out. Overstory itself hands them to its
own processes only so: the environment of a process can be read for as long as it lives, and is inherited by what it starts.
"""

import os
from collections.abc import Mapping
from pathlib import Path

NAMES = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "OVERSTORY_EMAIL_URL",
    "OVERSTORY_HEARTBEAT_URL",
    "OVERSTORY_OTLP_HEADERS",
    "OVERSTORY_OTLP_URL",
)
DIRECTORY = "given"


def given(name: str, environ: Mapping[str, str]) -> str | None:
    """The value of NAME, else what the file at NAME_FILE holds; None without either. OSError for an unreadable file."""
    value = environ.get(name)
    if value:
        return value
    file = environ.get(f"{name}_FILE")
    return (Path(file).read_text().strip() or None) if file else None


def hand_over(runtime_dir: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Write what was given into 0600 files of the runtime directory; the NAME_FILE variables for our own processes."""
    directory = runtime_dir / DIRECTORY
    variables: dict[str, str] = {}
    for name in NAMES:
        value = given(name, environ)
        path = directory / name
        if value is None:
            path.unlink(missing_ok=True)
            continue
        directory.mkdir(mode=0o700, exist_ok=True)
        fresh = directory / f".{name}.new"
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(value)
        fresh.replace(path)
        variables[f"{name}_FILE"] = str(path)
    return variables
