"""One op for several keys at once: sent together, awaited together, also while the node is replaced."""

import select
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from controlplane.cli.clients import Client
from controlplane.cli.command import Invocation
from controlplane.cli.feed import Feed
from controlplane.cli.settling import AWAY_S, REFRESH_S, past
from supervision.runtime.client import ControlError, NodeUnreachableError, Pending


@dataclass(slots=True)
class Asked:
    """One key, and what became of asking."""

    key: str
    pending: Pending | None = None
    answered: bool = False
    error: ControlError | None = None


def ask_all(
    invocation: Invocation,
    op: str,
    keys: list[str],
    args: dict[str, Any],
    *,
    feed: Feed,
    deadline: float | None,
    repeatable: bool,
    on_wait: Callable[[list[str]], None],
    name: str = "key",
) -> list[Asked]:
    """Ask `op` for each key, its argument `name`; what is not answered by `deadline` (boot seconds) stands all the same.

    A node that goes away in the middle is asked again when it is back, if asking twice is harmless (`repeatable`); if not,
    the unanswered ones are returned so, and what is tells whether they were carried out. on_wait is called with the keys
    that are still unanswered whenever there may be something to show.
    """
    asked = [Asked(key) for key in keys]
    gone_at: float | None = None
    while any(not one.answered for one in asked):
        try:
            with invocation.connect() as client:
                if gone_at is not None and not repeatable:
                    break
                for one in asked:
                    if not one.answered:
                        one.pending = client.begin(op, **{name: one.key}, **args)
                _await(invocation, client, asked, feed, deadline, on_wait)
                break
        except NodeUnreachableError as error:
            now = invocation.clock.boot()
            if gone_at is None:
                if not error.sent:
                    raise
                gone_at = now
            if now - gone_at > AWAY_S or past(deadline, now):
                raise
            feed.advance()
            feed.wait(now + REFRESH_S)
    return asked


def _await(
    invocation: Invocation,
    client: Client,
    asked: list[Asked],
    feed: Feed,
    deadline: float | None,
    on_wait: Callable[[list[str]], None],
) -> None:
    while True:
        client.drain()
        for one in asked:
            if one.pending is not None and one.pending.done:
                one.answered, one.error = True, one.pending.error
        left = [one.key for one in asked if not one.answered]
        now = invocation.clock.boot()
        if not left or past(deadline, now):
            return
        feed.advance()
        on_wait(left)
        until = min(now + REFRESH_S, feed.wake_at if deadline is None else min(deadline, feed.wake_at))
        fds = [client.fileno()] if (fd := feed.fileno()) is None else [client.fileno(), fd]
        select.select(fds, [], [], max(0.0, until - now))
