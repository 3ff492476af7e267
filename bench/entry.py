"""An entry of the benchmark: a name, the peers it needs, and what runs it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.report import Result


@dataclass(frozen=True, slots=True)
class Options:
    """How this run was asked for. `quick`: the same figures from fewer samples, and peers only where they are fast."""

    quick: bool
    tools: Path
    """Programs, compiled and installed; kept from run to run."""
    work: Path
    """Everything else; removed at the end."""
    against: frozenset[str] = field(default_factory=frozenset)
    """Names of the contenders beside the floor and Overstory itself; empty: all."""

    def invites(self, name: str) -> bool:
        """Whether the peer `name` takes part."""
        return not self.against or name in self.against


@dataclass(frozen=True, slots=True)
class Entry:
    """`run` measures and never judges; the verdicts are the figures'."""

    name: str
    about: str
    run: Callable[[Options], Result]
    peers: tuple[str, ...] = ()
