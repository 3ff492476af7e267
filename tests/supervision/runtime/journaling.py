"""A journal for a test, and what stands in it."""

from pathlib import Path
from typing import Any

from supervision.runtime.clock import ManualClock
from supervision.runtime.journal import Journal
from supervision.runtime.journal_segments import list_segments

KIB = 1024


def opened(directory: Path, **options: Any) -> Journal:
    options.setdefault("clock", ManualClock())
    options.setdefault("reserve_bytes", 64 * KIB)
    return Journal.open(directory, **options)


def numbers(journal: Journal) -> list[int]:
    """The `n` of every record that replay gives."""
    return [record["n"] for record in journal.replay()[1] if "n" in record]


def files(directory: Path) -> list[str]:
    return [Path(segment.path).name for segment in list_segments(str(directory))]


def newest(directory: Path) -> Path:
    return Path(list_segments(str(directory))[-1].path)
