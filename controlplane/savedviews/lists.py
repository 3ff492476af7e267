"""The lists whose filter and order can be kept: the page that shows each, what it understands, and who may open it. Pure."""

from dataclasses import dataclass

from controlplane.access.policy import Permission, Principal
from controlplane.filters.fields import LISTS
from controlplane.filters.grammar import Fields, FilterError, parse


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list. page: the slug of its page; sorts: whether it can be sorted; only_admins: whose page opens for them alone;
    hides: columns that need not be shown."""

    name: str
    title: str
    page: str
    sorts: bool = False
    only_admins: bool = False
    hides: tuple[str, ...] = ()

    @property
    def fields(self) -> Fields:
        return LISTS[self.name]

    def opens_for(self, principal: Principal) -> bool:
        """As the page itself says; a test holds them together."""
        return (
            principal.can(Permission.ADMIN) if self.only_admins else principal.can_somewhere(Permission.VIEW)
        )

    def columns(self) -> frozenset[str]:
        """What it can be sorted by."""
        if not self.sorts:
            return frozenset()
        return frozenset(column for field in self.fields.by_name.values() for column in field.columns)

    def hidden(self, text: str) -> tuple[str, ...]:
        """Columns that are not shown, in the list's order, of what an address says: names with commas."""
        asked = {name.strip() for name in text.split(",")}
        return tuple(name for name in self.hides if name in asked)

    def problem(self, q: str) -> str:
        """What is wrong with a filter, and where; empty when it is one."""
        try:
            parse(q, self.fields)
        except FilterError as error:
            return f"{error.message}, at character {error.at + 1}"
        return ""


PROCS_HIDES = ("node", "pid", "uptime", "cpu", "rss", "restarts", "exit")
SAVED = {
    one.name: one
    for one in (
        ListOf("procs", "Processes", "processes", sorts=True, hides=PROCS_HIDES),
        ListOf("tree", "Tree", "tree"),
        ListOf("agents", "Agents", "agents"),
        ListOf("health", "Health", "health"),
        ListOf("tasks", "Tasks", "workers"),
        ListOf("leaks", "Leaks", "leaks"),
        ListOf("issues", "Errors", "errors"),
        ListOf("alerts", "Alerts", "alerts"),
        ListOf("findings", "Findings", "findings"),
        ListOf("audit", "Audit", "audit", only_admins=True),
    )
}
BY_PAGE = {one.page: one for one in SAVED.values()}


def open_to(principal: Principal) -> list[str]:
    """Names of the lists that somebody may open."""
    return [one.name for one in SAVED.values() if one.opens_for(principal)]
