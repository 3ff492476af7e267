"""What `start`, `stop`, `restart`, `recycle`, `hold`, `release` share: which keys, asking, waiting, saying what happened.

Asking again for what is already so is success and says so. Whether a request came true is judged from what is, never from
what was answered: the node may have been replaced in between.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.cli.asking import Asked, ask_all
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode, from_control
from controlplane.cli.feed import Feed
from controlplane.cli.keys import is_pattern, resolve
from controlplane.cli.outcome import (
    Goal,
    Seen,
    concerned,
    everything_of,
    in_the_way,
    judge,
    progress_words,
    seen_of,
    under,
)
from controlplane.cli.progress import Progress
from controlplane.cli.settling import settle
from controlplane.cli.terminal import Tone
from supervision.explain.words import count, listing
from supervision.runtime.observed import Member, Observed

Words = Callable[[Member, Seen | None, float], str]
"""(what is, what was, Unix time) -> what happened to it, in words; its key stands before them."""


@dataclass(frozen=True, slots=True)
class Verb:
    """One of the requests that name a key."""

    op: str
    doing: str
    goal: Goal
    words: Words
    renews: bool = False
    """It gives another life to what runs: asking twice is not the same as once, and several keys go one after the other."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one key."""

    key: str
    what: str
    changed: bool
    before: Seen | None
    after: Seen | None
    in_the_way: tuple[str, ...] = ()
    error: CliError | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "ok": self.error is None,
            "what": self.what,
            "changed": self.changed,
            "before": None if self.before is None else self.before.to_json(),
            "after": None if self.after is None else self.after.to_json(),
            "in_the_way": list(self.in_the_way),
            "error": None if self.error is None else self.error.to_json()["error"],
        }


def act(
    invocation: Invocation,
    verb: Verb,
    words: list[str],
    *,
    args: Mapping[str, Any] | None = None,
    yes: bool = False,
    wait: bool = True,
    timeout_s: float | None = None,
) -> ExitCode:
    """Do `verb` to the keys that `words` mean; the first exit code that is not DONE, in the order of the keys."""
    first = invocation.observe()
    keys = resolve(words, first)
    if len(keys) > 1 and any(map(is_pattern, words)):
        what = f"{verb.op.capitalize()} {count(len(keys), 'key')} ({listing(keys)})?"
        confirm(what, invocation.terminal, yes=yes)
    before = seen_of(first)
    deadline = None if timeout_s is None else invocation.clock.boot() + timeout_s
    feed, progress = Feed(invocation), Progress(invocation.terminal, invocation.clock)
    rows: list[Row] = []
    try:
        for group in [[key] for key in keys] if verb.renews else [keys]:
            if any(row.error is not None for row in rows):
                skipped = CliError("not asked: the one before did not come up", code="skipped")
                rows += [
                    Row(key, "", False, before.get(key), before.get(key), error=skipped) for key in group
                ]
                continue
            observed, new = _group(
                invocation, verb, group, dict(args or {}), before, feed, progress, deadline, wait=wait
            )
            first, rows = observed, rows + new
    finally:
        progress.clear()
        feed.close()
    return _report(invocation, verb, rows, before, first)


def _group(
    invocation: Invocation,
    verb: Verb,
    keys: list[str],
    args: dict[str, Any],
    before: Mapping[str, Seen],
    feed: Feed,
    progress: Progress,
    deadline: float | None,
    *,
    wait: bool,
) -> tuple[Observed, list[Row]]:
    """Ask for `keys` at once and wait for all of them."""
    clock = invocation.clock
    older = {key: seen.incarnation for key, seen in before.items()} if verb.renews else None

    def show(left: list[str]) -> None:
        if feed.observed is not None:
            verdict = judge(_concerned(feed.observed, left, verb.goal), verb.goal, older=older)
            progress.show(f"{verb.doing}: {progress_words(verdict, verb.goal, now=clock.wall())}")

    asked = ask_all(
        invocation,
        verb.op,
        keys,
        args,
        feed=feed,
        deadline=deadline,
        repeatable=not verb.renews,
        on_wait=show,
    )
    good = [one.key for one in asked if one.error is None]
    observed, _ = settle(
        invocation,
        feed,
        progress,
        lambda seen: judge(_concerned(seen, good, verb.goal) if wait else [], verb.goal, older=older),
        goal=verb.goal,
        doing=verb.doing,
        deadline=deadline,
    )
    return observed, [_row(verb, one, observed, before, older, now=clock.wall(), wait=wait) for one in asked]


def _concerned(observed: Observed, keys: list[str], goal: Goal) -> list[Member]:
    members = [member for key in keys if (member := observed.find(key)) is not None]
    return [one for member in members for one in concerned(member, goal)]


def _row(
    verb: Verb,
    asked: Asked,
    observed: Observed,
    before: Mapping[str, Seen],
    older: Mapping[str, int] | None,
    *,
    now: float,
    wait: bool,
) -> Row:
    key, old, member = asked.key, before.get(asked.key), observed.find(asked.key)
    new = None if member is None else Seen.of(member)
    if asked.error is not None:
        return Row(key, "", False, old, new, error=from_control(asked.error))
    if member is None:
        return Row(key, "gone", True, old, None)
    changed = any(before.get(one.key) != Seen.of(one) for one in everything_of(member))
    verdict = judge(concerned(member, verb.goal), verb.goal, older=older)
    row = Row(key, verb.words(member, old, now), changed, old, new)
    if verdict.reached or (not wait and asked.answered):
        return row
    obstacles = tuple(in_the_way(verdict, observed, now=now))
    words = progress_words(verdict, verb.goal, now=now)
    if len(obstacles) == 1 and verb.goal is Goal.UP:
        words = obstacles[0].removeprefix(f"{key}: ")
    if verdict.on_its_way or not asked.answered:
        error = CliError(f"not done in time, the request stands: {words}", exit_code=ExitCode.TIMEOUT)
    else:
        error = CliError(f"not {verb.goal.value}: {words}")
    return Row(key, row.what, changed, old, new, obstacles, error)


def _report(
    invocation: Invocation, verb: Verb, rows: list[Row], before: Mapping[str, Seen], after: Observed
) -> ExitCode:
    terminal = invocation.terminal
    code = next((row.error.exit_code for row in rows if row.error is not None), ExitCode.DONE)
    also = [] if verb.goal is Goal.ANY else _also([row.key for row in rows], before, after)
    if terminal.json:
        body = {
            "op": verb.op,
            "ok": code == ExitCode.DONE,
            "targets": [row.to_json() for row in rows],
            "also": also,
        }
        terminal.document(body)
        return code
    for row in rows:
        if row.error is None:
            terminal.line(f"{row.key}  {row.what}")
            continue
        terminal.line(f"{row.key}  {terminal.paint(row.error.message, Tone.CRIT)}")
        if len(row.in_the_way) > 1:
            for line in row.in_the_way:
                terminal.line(f"  {line}")
    if also:
        terminal.line(f"Also restarted, by a supervisor's strategy: {listing(also, at_most=12)}")
    if code is ExitCode.FAILED:
        terminal.note("`manage.py explain KEY` says why.")
    return code


def _also(keys: list[str], before: Mapping[str, Seen], after: Observed) -> list[str]:
    """Siblings that got another life meanwhile, where the strategy of the supervisor above a key can have done that."""
    could: set[str] = set()
    for key in keys:
        above = after.parent(key)
        siblings = [] if above is None else [child.key for child in above.children]
        if above is not None and above.strategy == "one_for_all":
            could.update(siblings)
        elif above is not None and above.strategy == "rest_for_one":
            could.update(siblings[siblings.index(key) :])
    return [
        child.key
        for child in after.processes()
        if under(could, child.key)
        and not under(keys, child.key)
        and child.key in before
        and child.incarnation != before[child.key].incarnation
    ]
