"""What the driver has to know of a child that is forked from a template, beside what it knows of every process."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forking:
    """How a child comes out of a template.

    entry_point  `package.module:Class`, what the forked process runs
    python       absolute path of the interpreter
    modules      what the template imports before it forks, the entry point's own module last
    spares       processes forked ahead of need for this child, its instances together
    """

    entry_point: str
    python: str
    modules: tuple[str, ...]
    spares: int


@dataclass(frozen=True, slots=True)
class TemplateKey:
    """Children with an equal key share a template: (interpreter, user, directory, environment, preload list).

    The directory counts because modules are found in it. `environment` is what children of the template have in common; what
    the node says to one of them alone is not in it.
    """

    python: str
    modules: tuple[str, ...]
    cwd: str
    user: tuple[int, int, tuple[int, ...]] | None
    environment: tuple[tuple[str, str], ...]

    @classmethod
    def of(
        cls,
        forking: Forking,
        *,
        cwd: str,
        user: tuple[int, int, tuple[int, ...]] | None,
        environment: Mapping[str, str],
    ) -> "TemplateKey":
        return cls(forking.python, forking.modules, cwd, user, tuple(sorted(environment.items())))
