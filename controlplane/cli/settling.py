"""Waiting until what was asked for is so, with a deadline and words for what is in the way."""

from collections.abc import Callable

from controlplane.cli.command import Invocation
from controlplane.cli.feed import Feed
from controlplane.cli.outcome import Goal, Judgement, progress_words
from controlplane.cli.progress import Progress
from supervision.runtime.observed import Observed

REFRESH_S = 0.25
"""How often the progress line moves while nothing happens."""

AWAY_S = 15.0
"""How long a node may be away in the middle of a request: its guardian replaces it in under a second."""


def settle(
    invocation: Invocation,
    feed: Feed,
    progress: Progress,
    judged: Callable[[Observed], Judgement],
    *,
    goal: Goal,
    doing: str,
    deadline: float | None,
) -> tuple[Observed, Judgement]:
    """Read until nothing that is `judged` is still on its way, or it is `deadline` (boot seconds).

    Raises the ControlError of a node that stays away longer than AWAY_S.
    """
    clock = invocation.clock
    asked = away = clock.boot()
    feed.hurry()
    while True:
        feed.advance()
        now = clock.boot()
        if feed.error is None:
            away = now
        elif now - away > AWAY_S:
            raise feed.error
        if feed.observed is not None and feed.asked_at >= asked:
            verdict = judged(feed.observed)
            if not verdict.on_its_way or past(deadline, now):
                return feed.observed, verdict
            progress.show(f"{doing}: {progress_words(verdict, goal, now=clock.wall())}")
        elif past(deadline, now) and feed.observed is not None:
            return feed.observed, judged(feed.observed)
        if feed.error is not None:
            progress.show(feed.error.message)
        feed.wait(now + REFRESH_S if deadline is None else min(deadline, now + REFRESH_S))


def past(deadline: float | None, now: float) -> bool:
    return deadline is not None and now >= deadline
