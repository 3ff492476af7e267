"""`tree --watch`: the tree as it is, and how old that is.

On a terminal it redraws in place. In a pipe it prints one block (or one JSON line) for each change. When the node does not
answer the last truth stays, marked stale with its age; when a node answers again, whoever it is by then, it goes on.
"""

from dataclasses import replace
from typing import Any

from controlplane.cli.command import Invocation
from controlplane.cli.exits import ExitCode
from controlplane.cli.feed import Feed
from controlplane.cli.screen import Screen
from controlplane.cli.terminal import Terminal, Tone, strip
from controlplane.cli.text import cut
from controlplane.cli.treeview import TreeFilter, prune, render
from supervision.explain.words import clock_time, duration, iso_time
from supervision.runtime.observed import Child, Member, Observed

REDRAW_S = 1.0
"""Ages and times in state move while nothing happens."""


def watch(invocation: Invocation, view: TreeFilter) -> ExitCode:
    """Until the operator leaves or the reader of the pipe goes away."""
    feed = Feed(invocation)
    try:
        if invocation.terminal.tty and not invocation.terminal.json:
            return _on_screen(invocation, feed, view)
        return _in_pipe(invocation, feed, view)
    finally:
        feed.close()


def _on_screen(invocation: Invocation, feed: Feed, view: TreeFilter) -> ExitCode:
    terminal, clock = invocation.terminal, invocation.clock
    screen = Screen(terminal)
    with screen.shown():
        while screen.take_keys():
            feed.advance()
            if feed.observed is None:
                lines = [feed.complaint + "." if feed.error is not None else "asking the node ..."]
            else:
                lines = render(feed.observed, terminal, now=clock.wall(), view=view)
                if feed.stale:
                    lines = [terminal.paint(strip(line), Tone.IDLE) for line in lines]
            screen.draw(title(feed, terminal, wall=clock.wall()), lines, _foot(screen, len(lines), terminal))
            also = () if screen.input is None else (screen.input,)
            feed.wait(clock.boot() + REDRAW_S, also=also)
    return ExitCode.DONE


def title(feed: Feed, terminal: Terminal, *, wall: float) -> str:
    """How current the picture is: its age, or since when and why it is stale."""
    if feed.observed is None:
        text, tone = (
            (f"NO DATA: {feed.complaint}", Tone.CRIT) if feed.error is not None else ("connecting", Tone.BUSY)
        )
    elif feed.stale:
        seen = clock_time(wall - feed.age_s, now=wall)
        text, tone = f"STALE, as of {seen} ({duration(feed.age_s)} ago): {feed.complaint}", Tone.CRIT
    else:
        text, tone = f"live, data {duration(feed.age_s)} old at {clock_time(wall, now=wall)}", Tone.OK
    return terminal.paint(cut(text, terminal.columns), tone)


def _foot(screen: Screen, total: int, terminal: Terminal) -> str:
    last = min(total, screen.position + screen.page)
    where = (
        f"{screen.position + 1}-{last} of {total} lines, arrows and space scroll, "
        if total > screen.page
        else ""
    )
    return terminal.paint(cut(where + "q quits", terminal.columns), Tone.IDLE)


def _in_pipe(invocation: Invocation, feed: Feed, view: TreeFilter) -> ExitCode:
    terminal, clock = invocation.terminal, invocation.clock
    shown: tuple[object, bool] | None = None
    while True:
        feed.advance()
        now = (None if feed.observed is None else _what_is(feed.observed), feed.stale)
        if now != shown and (feed.observed is not None or feed.error is not None):
            shown = now
            if terminal.json:
                terminal.record(_record(feed, view, wall=clock.wall()))
            else:
                _block(feed, view, terminal, wall=clock.wall())
        feed.wait(clock.boot() + REDRAW_S)


def _what_is(observed: Observed) -> list[object]:
    """What counts as a change: not a journal record alone, nor the last digits of a moment that the node reckons anew."""
    node = observed.node
    return [
        (
            node.node_id,
            node.pid,
            node.guardian_pid,
            node.strays,
            node.stopping,
            node.journal_short,
            node.helpers,
        ),
        *((tree.name, tree.revision) for tree in observed.trees),
        *(_rounded(member) for member in observed.walk()),
    ]


def _rounded(member: Member) -> Member:
    held, backoff = (None if at is None else round(at, 1) for at in (member.held_until, member.backoff_until))
    if isinstance(member, Child):
        return replace(member, held_until=held, backoff_until=backoff)
    return replace(member, held_until=held, backoff_until=backoff, children=())


def _record(feed: Feed, view: TreeFilter, *, wall: float) -> dict[str, Any]:
    return {
        "at": iso_time(wall),
        "age_s": round(feed.age_s, 3) if feed.observed is not None else None,
        "stale": feed.stale,
        "error": feed.complaint if feed.stale else None,
        "tree": prune(feed.raw, view),
    }


def _block(feed: Feed, view: TreeFilter, terminal: Terminal, *, wall: float) -> None:
    terminal.line("--- " + title(feed, terminal, wall=wall))
    if feed.observed is not None and not feed.stale:
        for line in render(feed.observed, terminal, now=wall, view=view):
            terminal.line(line)
    terminal.out.flush()
