"""What `what-if` asks, and how its answer looks on a terminal."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.cli.command import Invocation
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.keys import not_found
from controlplane.cli.remote.http import Api
from controlplane.cli.remote.operations import node_id_of
from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import printable
from supervision.explain.deeds import deed_of
from supervision.explain.foreseeing import foretell
from supervision.explain.words import duration
from supervision.kernel.foresight import Crash
from supervision.runtime.client import ControlError
from supervision.runtime.journal_replay import replay
from supervision.runtime.recovery import recover

TONES = {"good": Tone.OK, "warning": Tone.WARN, "trouble": Tone.CRIT}


@dataclass(frozen=True, slots=True)
class Asked:
    """do: one of DEEDS. times and within: of a crash; seconds: of a hold. None: the usual."""

    key: str
    do: str
    times: int | None
    within: int | None
    seconds: int | None


def ask(invocation: Invocation, asked: Asked) -> dict[str, Any]:
    """The answer in the form of the API. CliError (not found) for a key that the journal does not know."""
    if invocation.remote is not None:
        return _ask_remote(invocation, Api(invocation.remote), asked)
    snapshot, records, damage = replay(str(invocation.paths.journal_dir))
    tree = recover(snapshot, records).trees.get(asked.key.partition("/")[0])
    if tree is None or tree.kernel.child(asked.key) is None:
        keys = [view.key for view in tree.kernel.children()] if tree is not None else []
        raise not_found(asked.key, keys)
    now = invocation.clock.boot()
    deed = deed_of(
        asked.do,
        tree.kernel,
        asked.key,
        now=now,
        times=asked.times,
        within=None if asked.within is None else float(asked.within),
        seconds=asked.seconds,
    )
    is_crash = isinstance(deed, Crash) and asked.do == "crash"
    answer = {
        "host": "",
        "why_not": "",
        "is_whole": not damage,
        "times": deed.times if isinstance(deed, Crash) and is_crash else None,
        "within": deed.within if isinstance(deed, Crash) and is_crash else None,
        **foretell(tree.kernel, deed, now=now).to_json(),
    }
    return {"key": asked.key, "do": asked.do, "nodes": [answer]}


def _ask_remote(invocation: Invocation, api: Api, asked: Asked) -> dict[str, Any]:
    query: Mapping[str, Any] = {
        "key": asked.key,
        "do": asked.do,
        "times": asked.times,
        "within": asked.within,
        "seconds": asked.seconds,
        "node": node_id_of(api),
    }
    try:
        answer: dict[str, Any] = api.get("what_if", **query).body
    except ControlError as error:
        if error.code != "not_found":
            raise
        raise not_found(asked.key, [member.key for member in invocation.observe().walk()]) from None
    return answer


def show(answer: Mapping[str, Any], terminal: Terminal) -> None:
    """For each node: the sum, what happens in order, what becomes of whom."""
    if not answer["nodes"]:
        raise CliError(f"No node has {answer['key']}.", exit_code=ExitCode.NOT_FOUND)
    for number, node in enumerate(answer["nodes"]):
        if number:
            terminal.line()
        _show_node(answer, node, terminal)


def _show_node(answer: Mapping[str, Any], node: Mapping[str, Any], terminal: Terminal) -> None:
    where = f" on {node['host']}" if node["host"] else ""
    if node["times"] is not None:
        times = "once" if node["times"] == 1 else f"{node['times']} times in {duration(node['within'])}"
        head = f"If {answer['key']} crashes {times}{where}:"
    else:
        head = f"{answer['do'].replace('_', ' ').capitalize()} {answer['key']}{where}:"
    terminal.line(terminal.paint(head, Tone.STRONG))
    for line in _wrap(node["why_not"] or node["summary"], terminal, 2):
        terminal.line("  " + line)
    if not node["is_whole"]:
        terminal.note("Records of its journal are missing: it may be another state in truth.")
    for step in node["steps"]:
        lead = f"  {'+' + duration(step['at']):>7}  "
        tone = TONES.get(step["severity"])
        for at, line in enumerate(_wrap(step["text"], terminal, len(lead))):
            terminal.line((lead if at == 0 else " " * len(lead)) + terminal.paint(line, tone))
    if node["more"]:
        terminal.line(f"  and {node['more']} more steps of the same kind")
    if node["affected"]:
        columns = max(len(fate["key"]) for fate in node["affected"])
        terminal.line()
        for fate in node["affected"]:
            terminal.line(f"  {printable(fate['key']):<{columns}}  {fate['words']}")


def _wrap(text: str, terminal: Terminal, taken: int) -> list[str]:
    return textwrap.wrap(printable(text), max(30, terminal.columns - taken), break_on_hyphens=False) or [""]
