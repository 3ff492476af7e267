"""What a tree file says is to be done about a leak, and whether the time for it has come. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from supervision.leaks.resources import RESOURCES
from supervision.leaks.words import Action, amount


class Does(StrEnum):
    """What is done by itself."""

    WATCH = "watch"
    RECYCLE = "recycle"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class OnLeak:
    """The `on_leak` section of a child; `memory_bytes`: the bound of `restart`."""

    does: Does = Does.WATCH
    memory_bytes: int | None = None

    @classmethod
    def of_section(cls, section: Mapping[str, Any] | None) -> Self:
        """Any: the normal form of the section; None where the child says nothing."""
        if not section:
            return cls()
        return cls(Does(section.get("does", Does.WATCH)), section.get("memory"))

    def why_now(self, *, resource: str, action: str, value: float, verdict: str) -> str:
        """Why the child has to go because of this finding, in words; "" while it has not."""
        if self.does is Does.RECYCLE and action != Action.WATCH:
            return f"it leaks {RESOURCES[resource].words}: {verdict}"
        bound = self.memory_bytes
        if self.does is Does.RESTART and resource == "rss" and bound is not None and value >= bound:
            return f"it leaks memory and holds {amount('rss', value)}, its bound is {amount('rss', bound)}"
        return ""


def on_leak_of(document: Mapping[str, Any], key: str) -> OnLeak:
    """What `document`, a tree in normal form, says for the child at `key`; instances and what a template made included."""
    supervisor: Any = document.get("supervisor")
    child: Any = None
    for part in key.split("/")[1:]:
        children: Iterable[Any] = supervisor.get("children", ()) if isinstance(supervisor, Mapping) else ()
        if isinstance(supervisor, Mapping) and supervisor.get("strategy") == "simple_one_for_one":
            child = next(iter(children), None)
        else:
            name = part.partition("@")[0]
            child = next((one for one in children if one.get("id") == name), None)
        if child is None:
            return OnLeak()
        supervisor = child.get("supervisor")
    return OnLeak.of_section(child.get("on_leak")) if child is not None else OnLeak()
