"""What `explain` reads, and how its answer looks on a terminal."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.cli.command import Invocation
from controlplane.cli.journalread import newest
from controlplane.cli.keys import not_found
from controlplane.cli.people import who
from controlplane.cli.remote.http import Api
from controlplane.cli.remote.operations import node_id_of
from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import cut, printable
from supervision.explain.chain import Link
from supervision.explain.explanation import Explanation, explain, known_keys
from supervision.explain.records import JournalRecord
from supervision.explain.words import clock_time
from supervision.runtime.client import ControlError, NodeUnreachableError
from supervision.runtime.observed import Observed

MOST_RECORDS = 300_000
"""About three seconds of reading; a cause that lies further back is found by `events --key`."""


def ask(invocation: Invocation, key: str) -> Explanation:
    """The explanation of `key`; CliError (not found) for a key that neither tree nor journal knows."""
    if invocation.remote is not None:
        return _ask_remote(invocation, Api(invocation.remote), key)
    observed: Observed | None = None
    try:
        observed = invocation.observe()
    except NodeUnreachableError as error:
        invocation.terminal.note(f"{error.message}; this is what the journal says was so last.")
    tree = key.partition("/")[0]
    now = invocation.clock.wall()

    def answer(records: Sequence[JournalRecord]) -> Explanation | None:
        return explain(key, observed, records, now=now, who=who)

    def enough(records: Sequence[JournalRecord]) -> bool:
        told = answer(records)
        return (
            told is None
            if observed is not None and observed.find(key) is None
            else told is not None and _is_told(told)
        )

    records, _ = newest(
        invocation.paths.journal_dir,
        invocation.clock,
        enough=enough,
        wanted=lambda record: record.get("k") in ("command", "node", "exit") or record.get("tree") == tree,
        at_most=MOST_RECORDS,
    )
    told = answer(records)
    if told is None:
        raise not_found(key, known_keys(observed, records, tree))
    return told


def _ask_remote(invocation: Invocation, api: Api, key: str) -> Explanation:
    try:
        return explanation_of(api.get("explain", key=key, node=node_id_of(api)).body)
    except ControlError as error:
        if error.code != "not_found":
            raise
        raise not_found(key, [member.key for member in invocation.observe().walk()]) from None


def explanation_of(body: Mapping[str, Any]) -> Explanation:
    """What another machine explained."""
    return Explanation(
        key=body["key"],
        state=body["state"],
        headline=body["headline"],
        chain=tuple(
            Link(link["text"], link["at"], link["seq"], link["key"], tuple(link["evidence"]))
            for link in body["chain"]
        ),
        next=body["next"],
        can=tuple(body["can"]),
        blocked_by=tuple(explanation_of(one) for one in body["blocked_by"]),
        current=body["current"],
        issues=tuple(body.get("issues", ())),
    )


def _is_told(explanation: Explanation) -> bool:
    """False while reading further back may bring a cause to light."""
    if explanation.state in ("backoff", "failed", "completed", "lost", "held"):
        return bool(explanation.chain or explanation.blocked_by)
    if explanation.state == "stopped":
        return " by " in explanation.headline or bool(explanation.chain or explanation.blocked_by)
    return True


def show(explanation: Explanation, terminal: Terminal, *, now: float, indent: str = "") -> None:
    """Plain text in the terminal's width: the headline, the chain with its times, what comes next, what can be done."""
    tone = terminal.tone(explanation.state) if explanation.state != "running" else None
    mark = terminal.paint(terminal.shape(explanation.state), terminal.tone(explanation.state))
    for at, line in enumerate(_wrap(explanation.headline, terminal, len(indent) + 2)):
        terminal.line(indent + (f"{mark} " if at == 0 else "  ") + terminal.paint(line, tone or Tone.STRONG))
    for link in explanation.chain:
        when = clock_time(link.at, now=now)
        lead = f"{indent}    {when}  "
        for at, line in enumerate(_wrap(link.text, terminal, len(lead))):
            terminal.line((lead if at == 0 else " " * len(lead)) + line)
        for text in link.evidence:
            quoted = cut("| " + printable(text), terminal.columns - len(lead))
            terminal.line(" " * len(lead) + terminal.paint(quoted, Tone.IDLE))
    if explanation.issues:
        _labelled("Filed as:", ", ".join(explanation.issues), terminal, indent)
    if explanation.next:
        _labelled("Next:", explanation.next, terminal, indent)
    for line in explanation.can:
        terminal.line(f"{indent}  You can: {line}")
    for one in explanation.blocked_by:
        terminal.line()
        show(one, terminal, now=now, indent=indent + "  ")


def _labelled(label: str, text: str, terminal: Terminal, indent: str) -> None:
    lead = f"{indent}  {label} "
    for at, line in enumerate(_wrap(text, terminal, len(lead))):
        terminal.line((lead if at == 0 else " " * len(lead)) + line)


def _wrap(text: str, terminal: Terminal, taken: int) -> list[str]:
    return textwrap.wrap(printable(text), max(30, terminal.columns - taken), break_on_hyphens=False) or [""]
