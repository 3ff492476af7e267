"""Whether services are ready: enough providers, and everything that they depend on. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Declared:
    """What a service asks for."""

    depends_on: tuple[str, ...] = ()
    min_ready: int = 1


UNDECLARED = Declared()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a service stands. `missing`: what is in the way, in words; empty when it is ready."""

    ready: bool
    providers: int
    missing: tuple[str, ...] = ()


def standing(name: str, declared: Mapping[str, Declared], providers: Mapping[str, int]) -> Standing:
    """How `name` stands, by the number of ready providers of each service. `declared` has no cycle."""
    wanted = declared.get(name, UNDECLARED)
    there = providers.get(name, 0)
    missing = [] if there >= wanted.min_ready else [f"{there} of {wanted.min_ready} providers of {name}"]
    for other in needed(name, declared):
        asked, found = declared.get(other, UNDECLARED).min_ready, providers.get(other, 0)
        if found < asked:
            missing.append(f"{found} of {asked} providers of {other}")
    return Standing(not missing, there, tuple(missing))


def needed(name: str, declared: Mapping[str, Declared]) -> list[str]:
    """Everything that `name` depends on, directly or not, each once, nearest first."""
    found: list[str] = []
    line = list(declared.get(name, UNDECLARED).depends_on)
    while line:
        other = line.pop(0)
        if other not in found and other != name:
            found.append(other)
            line += declared.get(other, UNDECLARED).depends_on
    return found


def cycle(name: str, depends_on: Iterable[str], declared: Mapping[str, Declared]) -> Sequence[str]:
    """The way from `name` back to itself, were it to depend on these; empty when there is none."""
    ways: list[list[str]] = [[name, other] for other in depends_on]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        if way[-1] == name:
            return way
        if way[-1] in seen:
            continue
        seen.add(way[-1])
        ways += [[*way, other] for other in declared.get(way[-1], UNDECLARED).depends_on]
    return ()
