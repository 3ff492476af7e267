"""`explain`: one question about one key, answered from what is and from what the journal holds.

    explain("shop/mail", observed, records, now=...)

The answer is data: pages and the API render the same one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from supervision.explain.chain import Chains, Link, Who
from supervision.explain.facts import Facts, facts_of
from supervision.explain.history import Command, History
from supervision.explain.records import JournalRecord
from supervision.explain.states import Account, account
from supervision.explain.words import clock_time, duration
from supervision.runtime.observed import Observed

MAX_DEPTH = 3
"""How far a wait is followed into what is waited for: past that the operator asks about that one."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why `key` is as it is.

    chain   what led to the latest end, and what was decided then, in the order in which it happened
    blocked_by   the same question answered for what it waits for, or for the supervisor that is down
    current      False: no node answered, this is what the journal said last
    issues       short ids of the errors that were filed of what the chain tells, where a store knows them
    """

    key: str
    state: str
    headline: str
    chain: tuple[Link, ...]
    next: str
    can: tuple[str, ...]
    blocked_by: "tuple[Explanation, ...]"
    current: bool
    issues: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "state": self.state,
            "headline": self.headline,
            "chain": [link.to_json() for link in self.chain],
            "next": self.next,
            "can": list(self.can),
            "blocked_by": [one.to_json() for one in self.blocked_by],
            "current": self.current,
            "issues": list(self.issues),
        }


def explain(
    key: str,
    observed: Observed | None,
    records: Iterable[JournalRecord],
    *,
    now: float,
    who: Who | None = None,
) -> Explanation | None:
    """None when neither the tree nor the records know `key`. now: Unix seconds; who: names a user by uid."""
    history = History.of(records, key.partition("/")[0])
    return _Explainer(observed, history, now, who or (lambda uid: f"uid {uid}")).of(key, MAX_DEPTH)


@dataclass(frozen=True, slots=True)
class _Explainer:
    observed: Observed | None
    history: History
    now: float
    who: Who

    def of(self, key: str, depth: int) -> Explanation | None:
        facts = facts_of(key, self.observed, self.history)
        if facts is None:
            return None
        above = self._down_above(facts)
        told = account(
            facts,
            now=self.now,
            stopped_by=self._command_words(["stop"], facts),
            held_by=self._command_words(["hold"], facts),
            above=above,
        )
        asked = (
            [above.key] if above is not None else list(facts.waiting_for) if facts.state == "waiting" else []
        )
        blocked_by = [one for other in asked if depth > 0 and (one := self.of(other, depth - 1)) is not None]
        return Explanation(
            key,
            facts.state,
            told.headline,
            () if above is not None else self._chain(facts),
            told.next,
            told.can if not blocked_by else _own(told, blocked_by),
            tuple(blocked_by),
            facts.current,
        )

    def _chain(self, facts: Facts) -> tuple[Link, ...]:
        end = self.history.last_end(facts.key)
        if end is None or (facts.state == "running" and facts.incarnation <= 1 and not facts.is_supervisor):
            return ()
        links = Chains(self.history, self.who).of_end(facts.key, end, supervisor=facts.is_supervisor)
        return tuple(links)

    def _down_above(self, facts: Facts) -> Facts | None:
        """The topmost supervisor above it that is down: the others are down because of that one."""
        if facts.state in ("running", "starting", "stopping"):
            return None
        parts = facts.key.split("/")
        for n in range(1, len(parts)):
            above = facts_of("/".join(parts[:n]), self.observed, self.history)
            if above is not None and above.state not in ("running", "starting", "stopping"):
                return above
        return None

    def _command_words(self, ops: list[str], facts: Facts) -> str:
        command: Command | None = self.history.command(ops, facts.key)
        if command is None:
            return ""
        target = command.args.get("key")
        what = f", who {ops[0]}ped {target}" if target != facts.key and ops == ["stop"] else ""
        at = clock_time(command.at, now=self.now)
        return f" by {command.asker(self.who)} at {at} ({duration(self.now - command.at)} ago){what}"


def _own(told: Account, blocked_by: list[Explanation]) -> tuple[str, ...]:
    """Advice that only points at what is explained below is left out."""
    below = {f"manage.py explain {one.key}" for one in blocked_by}
    return tuple(line for line in told.can if line not in below)


def known_keys(observed: Observed | None, records: Iterable[Mapping[str, Any]], tree: str) -> list[str]:
    """Keys that can be asked about, for "did you mean"."""
    if observed is not None:
        return [member.key for member in observed.walk()]
    return sorted(History.of(records, tree).changed_keys())
