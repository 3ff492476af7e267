"""The tree as lines: what `tree` prints, once or live.

Ten fixed columns would not fit 80 characters beside a deep key, so the name and the note share what the fixed columns leave,
and a note that says why something is not running goes on a line of its own when it is longer than its column.
"""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import cut, cut_middle, pad, printable, width
from supervision.explain.words import clock_time, count, duration, listing
from supervision.runtime.observed import STATES, Child, Member, Observed, Supervisor, Tree

STATE_COLUMNS = 11
PID_COLUMNS = 7
INCARNATION_COLUMNS = 5
SINCE_COLUMNS = 7
RESTART_COLUMNS = 4
FIXED_COLUMNS = STATE_COLUMNS + PID_COLUMNS + INCARNATION_COLUMNS + SINCE_COLUMNS + RESTART_COLUMNS + 6
NOTE_COLUMNS = 14
"""The least the note gets: `start_failed` and a little."""

LEAST_COLUMNS = 62
"""Narrower terminals wrap: with fewer columns than this nothing could be told apart."""


@dataclass(frozen=True, slots=True)
class TreeFilter:
    """What of the tree is shown. Parents of what is shown are shown, so that it reads as a tree."""

    wanted: Callable[[Member], bool] | None = None
    depth: int | None = None
    """Levels below each root; deeper ones are summed up in words."""

    def shown(self, root: Supervisor) -> set[str]:
        """Keys of `root` and below that have a row."""
        if self.wanted is None:
            return {member.key for member in root.walk()}
        keys: set[str] = set()
        for member in root.walk():
            if self.wanted(member):
                parts = member.key.split("/")
                keys.update("/".join(parts[:n]) for n in range(1, len(parts) + 1))
        return keys


def render(
    observed: Observed, terminal: Terminal, *, now: float, view: TreeFilter | None = None
) -> list[str]:
    """The whole answer: the node's line, then each tree."""
    view = view or TreeFilter()
    lines = [*node_lines(observed, terminal, now=now), *node_warnings(observed, terminal)]
    if not observed.trees:
        return [*lines, "", "No tree is applied. `manage.py apply FILE` applies one."]
    layout = _Layout.of(observed, terminal, view)
    lines += ["", terminal.paint(layout.header(), Tone.IDLE)]
    hidden = True
    for tree in observed.trees:
        shown = view.shown(tree.root)
        if shown:
            hidden = False
            lines += _tree_lines(tree, shown, layout, terminal, now=now, depth=view.depth)
    if hidden:
        lines.append("Nothing matches.")
    return lines


def node_lines(observed: Observed, terminal: Terminal, *, now: float) -> list[str]:
    """Who answered, since when it runs, and how its children are."""
    node = observed.node
    parts = [f"node {node.node_id[:8]}", f"pid {node.pid}", f"up {duration(now - node.started)}"]
    if not node.pid:  # several nodes, seen through a control plane
        parts = [node.node_id]
    parts.append(count(len(observed.trees), "tree"))
    parts.append(state_counts(observed.processes()))
    dot = " · " if terminal.unicode else " | "
    lines = [dot.join(parts)]
    if width(lines[0]) > terminal.columns:
        lines = [dot.join(parts[:-1]), *textwrap.wrap(parts[-1], terminal.columns)]
    return [terminal.paint(line, Tone.STRONG) for line in lines]


def node_warnings(observed: Observed, terminal: Terminal) -> list[str]:
    """What else about the node needs attention."""
    node = observed.node
    warnings = [f"helper {helper.name} is down" for helper in node.helpers if helper.pid is None]
    if node.state in ("suspect", "down"):
        seen = "" if node.age_s is None else f" {duration(node.age_s)} ago"
        warnings.append(f"{node.state}: what is shown was so{seen}")
    if node.stopping:
        warnings.append("the node is stopping")
    if node.journal_short:
        warnings.append(
            "the disk under the journal is full: what runs runs on, nothing is started; see `manage.py doctor`"
        )
    if node.strays:
        warnings.append(f"{count(node.strays, 'stray')}: see `manage.py strays list`")
    return [terminal.paint(cut(printable(warning), terminal.columns), Tone.WARN) for warning in warnings]


def state_counts(children: Iterable[Child]) -> str:
    """`14 children: 13 running, 1 backoff`."""
    counts = Counter(child.state for child in children)
    total = sum(counts.values())
    if not total:
        return "no children"
    order = {state: at for at, state in enumerate(("running", *(s for s in STATES if s != "running")))}
    states = sorted(counts, key=lambda state: order.get(state, 99))
    if len(states) == 1:
        return f"{count(total, 'child', 'children')} {states[0]}"
    return f"{count(total, 'child', 'children')}: " + ", ".join(
        f"{counts[state]} {state}" for state in states
    )


def note_of(member: Member, *, now: float) -> str:
    """Why it is as it is, in few words; empty when there is nothing to say."""
    parts: list[str] = []
    if isinstance(member, Child):
        parts += _process_notes(member)
    if member.state == "waiting" and member.waiting_for:
        parts.append(
            "waits for " + listing([key.rpartition("/")[2] for key in member.waiting_for], at_most=3)
        )
    if member.state == "backoff" and member.backoff_until is not None:
        parts.append(f"next try in {duration(member.backoff_until - now)}")
    if member.held_until is not None:
        parts.append(f"held until {clock_time(member.held_until, now=now)}")
    elif member.held and member.state != "held":
        parts.append("held")
    if member.wanted == "down" and member.state not in ("stopped", "stopping"):
        parts.append("wanted down")
    if member.last_exit is not None:
        parts.append(member.last_exit.reason)
    if isinstance(member, Child) and member.status and member.state in ("running", "starting", "stopping"):
        parts.append(f'"{member.status}"')
    return printable("; ".join(parts))


def _process_notes(child: Child) -> list[str]:
    """What holds a process up that is neither its supervisor nor itself."""
    parts = []
    if child.blocked:
        parts.append(child.blocked)
    if child.stage and child.stage != "main":
        parts.append(f"runs {child.stage}")
    if child.own_children:
        parts.append("started " + listing([*child.own_children], at_most=3))
    if child.descendants_ending:
        parts.append(f"its {count(len(child.descendants_ending), 'descendant')} must end first")
    return parts


@dataclass(frozen=True, slots=True)
class _Layout:
    name: int
    note: int
    columns: int
    guides: tuple[str, str, str, str]

    @classmethod
    def of(cls, observed: Observed, terminal: Terminal, view: TreeFilter) -> "_Layout":
        guides = ("├─ ", "└─ ", "│  ", "   ") if terminal.unicode else ("|- ", "`- ", "|  ", "   ")
        longest = max(
            (
                3 * member.key.count("/") + width(member.id)
                for tree in observed.trees
                for member in tree.root.walk()
                if view.depth is None or member.key.count("/") <= view.depth
            ),
            default=4,
        )
        columns = max(LEAST_COLUMNS, terminal.columns)
        room = columns - FIXED_COLUMNS
        name = max(8, min(longest, room - NOTE_COLUMNS))
        return cls(name, room - name, columns, guides)

    def header(self) -> str:
        return (
            f"{pad('NAME', self.name)} {pad('STATE', STATE_COLUMNS)} {pad('PID', PID_COLUMNS, right=True)} "
            f"{pad('INC', INCARNATION_COLUMNS, right=True)} {pad('SINCE', SINCE_COLUMNS, right=True)} "
            f"{pad('RST', RESTART_COLUMNS, right=True)} LAST EXIT"
        ).rstrip()


def _tree_lines(
    tree: Tree, shown: set[str], layout: _Layout, terminal: Terminal, *, now: float, depth: int | None
) -> list[str]:
    lines: list[str] = []
    stack: list[tuple[Member, str, str]] = [(tree.root, "", "")]
    while stack:
        member, lead, below = stack.pop()
        level = member.key.count("/")
        if isinstance(member, Child):
            lines += _child_lines(member, lead, below, layout, terminal, now=now)
            continue
        children = [child for child in member.children if child.key in shown]
        folded = depth is not None and level >= depth and bool(children)
        lines += _supervisor_lines(
            member, lead, below, layout, terminal, now=now, tree=None if level else tree, folded=folded
        )
        if not folded:
            branch, last, bar, blank = layout.guides
            rows = [
                (
                    child,
                    below + (last if at == len(children) - 1 else branch),
                    below + (blank if at == len(children) - 1 else bar),
                )
                for at, child in enumerate(children)
            ]
            stack.extend(reversed(rows))
    return lines


def _child_lines(
    child: Child, lead: str, below: str, layout: _Layout, terminal: Terminal, *, now: float
) -> list[str]:
    quiet = child.state == "running"
    note = note_of(child, now=now)
    fits = width(note) <= layout.note
    row = " ".join(
        (
            _name(lead, child.id, layout, terminal),
            _state(child.state, terminal),
            pad(str(child.pid) if child.pid is not None else "-", PID_COLUMNS, right=True),
            pad(f"#{child.incarnation}" if child.incarnation else "-", INCARNATION_COLUMNS, right=True),
            pad(duration(now - child.since) if child.since else "-", SINCE_COLUMNS, right=True),
            pad(str(child.restarts), RESTART_COLUMNS, right=True),
        )
    )
    if fits or quiet:
        return [(row + " " + terminal.paint(cut(note, layout.note), Tone.IDLE if quiet else None)).rstrip()]
    return [row, *_wrapped(note, below, layout, terminal)]


def _supervisor_lines(
    supervisor: Supervisor,
    lead: str,
    below: str,
    layout: _Layout,
    terminal: Terminal,
    *,
    now: float,
    tree: Tree | None,
    folded: bool,
) -> list[str]:
    window = f"{supervisor.window_used}/{supervisor.intensity} in {duration(supervisor.period)}"
    spent = supervisor.window_used >= max(1, supervisor.intensity)
    said = f"{supervisor.strategy} {window}"
    rest = [count(supervisor.restarts, "restart")] if supervisor.restarts else []
    if tree is not None:
        rest.append(f"revision {tree.revision}")
    if folded:
        rest.append(state_counts(supervisor.processes()))
    note = note_of(supervisor, now=now)
    room = layout.columns - layout.name - STATE_COLUMNS - 2
    if note and supervisor.state != "running":
        rest.append(note)
    text = ", ".join((said, *rest))
    row = f"{_name(lead, supervisor.id, layout, terminal)} {_state(supervisor.state, terminal)} "
    if width(text) <= room:
        tail = ", ".join(("", *rest))
        return [row + terminal.paint(said, Tone.WARN if spent else None) + tail]
    return [
        row + terminal.paint(cut(said, room), Tone.WARN if spent else None),
        *_wrapped(", ".join(rest), below, layout, terminal),
    ]


def _wrapped(note: str, below: str, layout: _Layout, terminal: Terminal) -> list[str]:
    """`note` on lines of its own, under the state column where it is short enough, else from the left."""
    start = layout.name + 1
    room = layout.columns - start - 2
    lines: list[str] = []
    rest = note
    while rest:
        piece = rest if width(rest) <= room else _break(rest, room)
        rest = rest[len(piece) :].lstrip()
        lines.append(pad(cut(below, start), start) + "  " + piece.rstrip())
    return [terminal.paint(line, None) for line in lines]


def _break(text: str, room: int) -> str:
    kept = cut(text, room, mark="") or text[:room]
    at = kept.rfind(" ")
    return kept[:at] if at > room // 2 else kept


def _name(lead: str, name: str, layout: _Layout, terminal: Terminal) -> str:
    room = layout.name - width(lead)
    if room < 4:  # deeper than the screen: the end of the guides says enough
        lead = cut(lead, max(0, layout.name - 8), mark="")
        room = layout.name - width(lead)
    return pad(lead + cut_middle(printable(name), room, mark="…" if terminal.unicode else "~"), layout.name)


def _state(state: str, terminal: Terminal) -> str:
    tone = terminal.tone(state)
    word = pad(state, STATE_COLUMNS - 2)
    loud = None if tone in (Tone.OK, Tone.BUSY) else tone
    return terminal.paint(terminal.shape(state), tone) + " " + terminal.paint(word, loud)


def prune(raw: object, view: TreeFilter) -> Any:
    """The node's answer with only what `view` shows, for --json: the same fields, fewer members."""
    if view.wanted is None or not isinstance(raw, dict):
        return raw
    trees = []
    for body in raw.get("trees", []):
        shown = view.shown(Tree.from_json(body).root)
        if shown:
            trees.append({**body, "root": _pruned(body["root"], shown)})
    return {**raw, "trees": trees}


def _pruned(body: dict[str, Any], shown: set[str]) -> dict[str, Any]:
    """Recursion is bounded by what json.loads accepted."""
    if "children" not in body:
        return body
    children = [_pruned(child, shown) for child in body["children"] if child.get("key") in shown]
    return {**body, "children": children}
