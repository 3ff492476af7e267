"""What needs attention, in words: the verdict, the counts, the ranked list. Pure.

What is said follows from members, nodes and trees as they were read; how old that is, is said beside it and not here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controlplane.dashboard.live import findings
from controlplane.dashboard.live.records import Facts, count_states, seconds
from controlplane.filters.fields import NODE_STATES
from supervision.explain.reasons import meaning
from supervision.explain.words import count, duration
from supervision.runtime.observed import STATES

MOST = 8
SLOW_START_S = 60.0
LONG_WAIT_S = 30.0
FLAPPING_IN_AN_HOUR = 5
LEVELS = ("good", "warning", "trouble")
NO_PROCESS = ("node", "stray", "tree", "task", "leak", "health")
"""Kinds of concerns that do not stand for processes of their own."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """All that is judged, cut to what the viewer may see. sees_nodes: nodes and strays are the viewer's business.

    restarts, failures: by minute since `since_minute` (Unix minutes), oldest first; marks: moments worth a tick.
    """

    members: Sequence[Facts]
    nodes: Sequence[Facts]
    trees: Sequence[Facts]
    strays: Mapping[str, int]
    sees_nodes: bool
    since_minute: int = 0
    restarts: Sequence[int] = ()
    failures: Sequence[int] = ()
    marks: Sequence[Facts] = ()
    leaks: Sequence[Facts] = ()
    checks: Sequence[Facts] = ()
    unplaced: Sequence[Facts] = ()
    """Trees that are not where they should be: `tree`, `why`, and whether they run (`runs`) all the same."""
    parked: Sequence[Facts] = ()
    """Tasks that are not run again until somebody has looked: `tree name parked since id reason`."""


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that needs attention. weight: the worse, the higher."""

    key: str
    node: str
    host: str
    kind: str
    state: str
    level: str
    text: str
    since: float | None
    weight: int
    verb: str = ""
    path: str = ""
    """Where to look, below the site's root."""
    covers: int = 1
    """How many processes it stands for: below a supervisor that is down, they are not told apart."""

    def to_json(self, link: Callable[[str], str]) -> Facts:
        facts = {
            name: getattr(self, name)
            for name in ("key", "node", "host", "kind", "state", "level", "text", "since")
        }
        return facts | {"action": _action(self, link)}


def _action(concern: Concern, link: Callable[[str], str]) -> Facts:
    if concern.kind in ("node", "stray"):
        return {"label": "Nodes", "url": link("nodes")}
    if concern.kind == "tree":
        return {"label": "Trees", "url": link("trees")}
    if concern.path:
        return {"label": "Look", "url": link(concern.path)}
    if concern.verb:
        return {
            "label": concern.verb.capitalize(),
            "url": link(f"act/{concern.verb}/{concern.key}?node={concern.node}"),
        }
    return {"label": "Look", "url": link(f"process/{concern.key}?node={concern.node}")}


def summarise(fleet: Fleet, *, now: float, link: Callable[[str], str]) -> dict[str, Any]:
    """The rows of the topic `summary`, by id. now: Unix seconds; link: an address below the site's root, made whole."""
    processes = [member for member in fleet.members if not member["is_supervisor"]]
    concerns = sorted(concerns_of(fleet, now=now), key=_rank)
    return {
        "verdict": verdict(concerns, total=len(processes), trees=len(fleet.trees), nodes=fleet.nodes),
        "states": count_states(processes, STATES),
        "nodes": _by_node(fleet, processes),
        "trees": _by_tree(fleet, processes),
        "node_states": count_states(fleet.nodes, NODE_STATES) if fleet.sees_nodes else None,
        "strays": sum(fleet.strays.values()) if fleet.sees_nodes else None,
        "attention": [concern.to_json(link) for concern in concerns[:MOST]],
        "timeline": {
            "from": fleet.since_minute * 60,
            "step": 60,
            "restarts": list(fleet.restarts),
            "failures": list(fleet.failures),
            "marks": list(fleet.marks),
        },
    }


def _rank(concern: Concern) -> tuple[int, int, int, float, str, str]:
    """The worst first; of equals, what covers more, then the newest, whose cause is easiest to find."""
    since = concern.since or 0.0
    return (-LEVELS.index(concern.level), -concern.weight, -concern.covers, -since, concern.key, concern.node)


def verdict(concerns: Sequence[Concern], *, total: int, trees: int, nodes: Sequence[Facts]) -> Facts:
    """One line for a person: `level` and `text`. concerns: ranked."""
    if not total and not trees and not concerns:
        words = "Nothing is declared yet." if nodes else "No node has joined yet."
        return {"level": "unknown", "text": words, "since": None}
    if not concerns:
        everything = count(total, "process", "processes")
        return {"level": "good", "text": f"All is well: {everything} as declared.", "since": None}
    worst = concerns[0]
    own = [one for one in concerns if one.kind not in NO_PROCESS]
    named = frozenset((one.node, one.key) for one in own)
    children = sum(one.covers for one in own) + findings.others(concerns, named)
    unplaced = sum(one.kind == "tree" for one in concerns)
    silent = sum(one.kind == "node" for one in concerns)
    strays = sum(one.covers for one in concerns if one.kind == "stray")
    parked = sum(one.covers for one in concerns if one.kind == "task")
    parts = []
    if children:
        needs = "needs" if children == 1 else "need"
        parts.append(f"{children} of {count(total, 'process', 'processes')} {needs} attention")
    if unplaced:
        parts.append(f"{count(unplaced, 'tree is', 'trees are')} not placed as declared")
    if parked:
        parts.append(f"{count(parked, 'task is', 'tasks are')} parked")
    if silent:
        parts.append(f"{count(silent, 'node is', 'nodes are')} silent")
    if strays:
        parts.append(f"{count(strays, 'process is', 'processes are')} stray")
    many = ", worst: " if len(concerns) > 1 else ": "
    says_it_all = not parts or (len(concerns) == 1 and worst.kind in ("node", "stray", "tree"))
    text = worst.text if says_it_all else f"{_listed(parts)}{many}{worst.text}"
    return {"level": worst.level, "text": text[0].upper() + text[1:], "since": worst.since}


def _listed(parts: Sequence[str]) -> str:
    """As a sentence lists them: a, b and c."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


# -- what needs attention ---------------------------------------------------------------------------------------------


def concerns_of(fleet: Fleet, *, now: float) -> Iterable[Concern]:
    """In no order. Below a supervisor that is down only the supervisor is named."""
    if fleet.sees_nodes:
        yield from _of_nodes(fleet, now)
    yield from _of_trees(fleet)
    yield from _of_tasks(fleet)
    for found in (*findings.of_leaks(fleet.leaks, now), *findings.of_checks(fleet.checks)):
        yield Concern(**found)
    by_place: dict[tuple[str, str], Facts] = {(m["node"], m["key"]): m for m in fleet.members}
    covered: dict[tuple[str, str], int] = {}
    own: list[Facts] = []
    for member in fleet.members:
        above = _down_above(member, by_place)
        if above is None:
            own.append(member)
        elif not member["is_supervisor"]:
            covered[above] = covered.get(above, 0) + 1
    for member in own:
        concern = _of_member(member, covered.get((member["node"], member["key"]), 0), now)
        if concern is not None:
            yield concern


def _down_above(member: Facts, by_place: Mapping[tuple[str, str], Facts]) -> tuple[str, str] | None:
    """The topmost supervisor above it that failed or waits to be tried again."""
    found = None
    place = (member["node"], member["parent"])
    for _level in range(64):
        above = by_place.get(place)
        if above is None:
            break
        if above["state"] in ("failed", "backoff", "lost"):
            found = place
        place = (above["node"], above["parent"])
    return found


def _of_nodes(fleet: Fleet, now: float) -> Iterable[Concern]:
    for node in fleet.nodes:
        host, silent = node["host"], _past(node["renewed_at"], now)
        if node["state"] in ("down", "suspect"):
            level, weight = ("trouble", 95) if node["state"] == "down" else ("warning", 70)
            text = f"node {host} is silent{f' for {silent}' if silent else ''}"
            yield Concern(
                "", node["node"], host, "node", node["state"], level, text, node["renewed_at"], weight
            )
        strays = fleet.strays.get(node["node"], 0)
        if strays:
            text = f"{count(strays, 'stray process', 'stray processes')} on {host}"
            yield Concern("", node["node"], host, "stray", "stray", "warning", text, None, 40, covers=strays)


def _of_trees(fleet: Fleet) -> Iterable[Concern]:
    for tree in fleet.unplaced:
        level, weight = ("warning", 60) if tree["runs"] else ("trouble", 85)
        text = f"{tree['tree']} is not placed as declared: {tree['why']}"
        yield Concern(tree["tree"], "", "", "tree", "unplaced", level, text, None, weight)


def _of_tasks(fleet: Fleet) -> Iterable[Concern]:
    for task in fleet.parked:
        again = f", {task['parked']} of them" if task["parked"] > 1 else ""
        text = f"task {task['name']} is parked{again}: {task['reason'] or 'it is not run again'}"
        yield Concern(
            task["name"],
            "",
            task["tree"],
            "task",
            "parked",
            "trouble",
            text,
            seconds(task["since"]),
            72,
            path=f"workers/task/{task['id']}",
            covers=task["parked"],
        )


def _of_member(member: Facts, below: int, now: float) -> Concern | None:
    row = _SUPERVISOR.get(member["state"]) if member["is_supervisor"] else _PROCESS.get(member["state"])
    told = row(member, now) if row is not None else None
    if told is None:
        return None
    return Concern(
        member["key"],
        member["node"],
        member["host"],
        member["kind"],
        member["state"],
        told.level,
        f"{member['key']} {told.text}{_below(below)}",
        member["since"],
        told.weight,
        told.verb,
        "",
        max(1, below) if member["is_supervisor"] else 1,
    )


def _below(processes: int) -> str:
    return f", {count(processes, 'process', 'processes')} below it" if processes else ""


@dataclass(frozen=True, slots=True)
class Told:
    level: str
    weight: int
    text: str
    verb: str = ""


def _failed(member: Facts, _now: float) -> Told:
    if member["is_supervisor"]:
        return Told("trouble", 100, "gave up", "start")
    return Told("trouble", 80, f"failed{_exit(member)}", "start")


def _lost(_member: Facts, _now: float) -> Told:
    return Told("trouble", 75, "is lost: its end could not be observed", "start")


def _backoff(member: Facts, now: float) -> Told:
    until = member["backoff_until"]
    again = f", next try in {duration(until - now)}" if until is not None and until > now else ""
    if member["is_supervisor"]:
        return Told("trouble", 90, f"gave up and is tried again{again}", "start")
    return Told("warning", 60, f"keeps failing{_exit(member)}{again}")


def _starting(member: Facts, now: float) -> Told | None:
    lasts = _lasts(member, now)
    if lasts < SLOW_START_S:
        return None
    return Told("warning", 30, f"is starting for {duration(lasts)}")


def _waiting(member: Facts, now: float) -> Told | None:
    lasts = _lasts(member, now)
    if lasts < LONG_WAIT_S or not member["waiting_for"]:
        return None
    return Told("warning", 35, f"waits for {', '.join(member['waiting_for'])} for {duration(lasts)}")


def _stopping(member: Facts, now: float) -> Told | None:
    lasts = _lasts(member, now)
    return Told("warning", 30, f"is stopping for {duration(lasts)}") if lasts >= SLOW_START_S else None


def _running(member: Facts, _now: float) -> Told | None:
    intensity, used = member["intensity"], member["window_used"] or 0
    if member["is_supervisor"]:
        if intensity and used >= intensity:
            return Told("warning", 65, f"used {used} of {intensity} restarts: the next exit ends it")
        return None
    restarts = member.get("restarts_1h") or 0
    if restarts >= FLAPPING_IN_AN_HOUR:
        return Told("warning", 50, f"was restarted {restarts} times in the last hour{_exit(member)}")
    return None


def _exit(member: Facts) -> str:
    reason = member["exit"]
    return f": {meaning(reason).text}" if reason else ""


def _lasts(member: Facts, now: float) -> float:
    return now - member["since"] if member["since"] is not None else 0.0


def _past(moment: float | None, now: float) -> str:
    return duration(now - moment) if moment is not None and now > moment else ""


_PROCESS: Mapping[str, Callable[[Facts, float], Told | None]] = {
    "waiting": _waiting,
    "starting": _starting,
    "running": _running,
    "backoff": _backoff,
    "stopping": _stopping,
    "failed": _failed,
    "lost": _lost,
}
_SUPERVISOR: Mapping[str, Callable[[Facts, float], Told | None]] = {
    "running": _running,
    "backoff": _backoff,
    "failed": _failed,
    "lost": _lost,
}


# -- counts -----------------------------------------------------------------------------------------------------------


def _by_node(fleet: Fleet, processes: Sequence[Facts]) -> list[Facts]:
    states = {node["node"]: node["state"] for node in fleet.nodes}
    groups = _grouped(processes, "node")
    hosts = {node["node"]: node["host"] for node in fleet.nodes} | {
        node: members[0]["host"] for node, members in groups.items()
    }
    names = sorted({*groups, *states} if fleet.sees_nodes else groups, key=lambda node: (hosts[node], node))
    return [
        {
            "node": node,
            "host": hosts[node],
            "state": states.get(node),
            "states": _present(groups.get(node, [])),
            "total": len(groups.get(node, [])),
        }
        for node in names
    ]


def _by_tree(fleet: Fleet, processes: Sequence[Facts]) -> list[Facts]:
    groups = _grouped(processes, "tree")
    observed: dict[str, list[Facts]] = _grouped(fleet.trees, "tree")
    return [
        {
            "tree": tree,
            "state": _worst(observed.get(tree, [])),
            "states": _present(groups.get(tree, [])),
            "total": len(groups.get(tree, [])),
            "revision": max((one["revision"] for one in observed.get(tree, [])), default=None),
            "nodes": len({one["node"] for one in [*observed.get(tree, []), *groups.get(tree, [])]}),
        }
        for tree in sorted({*groups, *observed})
    ]


def _worst(observed: Sequence[Facts]) -> str | None:
    order = (
        "failed",
        "lost",
        "backoff",
        "stopping",
        "starting",
        "waiting",
        "held",
        "stopped",
        "completed",
        "running",
    )
    states = {one["state"] for one in observed}
    return next((state for state in order if state in states), None)


def _present(members: Sequence[Facts]) -> dict[str, int]:
    return {state: number for state, number in count_states(members, ()).items() if number}


def _grouped(members: Iterable[Facts], column: str) -> dict[str, list[Facts]]:
    groups: dict[str, list[Facts]] = {}
    for member in members:
        groups.setdefault(member[column], []).append(member)
    return groups
