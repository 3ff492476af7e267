"""The node in a few lines."""

from collections.abc import Mapping

from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import pad, printable
from controlplane.cli.treeview import node_warnings, state_counts
from supervision.explain.words import clock_time, count, duration
from supervision.runtime.observed import Observed, Template


def _template(template: Template) -> str:
    what = f"{template.name}: {template.state} (pid {template.pid or '-'})"
    spares = f", {template.spares} of {template.spares_wanted} spares" if template.spares_wanted else ""
    why = f"; agents are exec'd: {template.why_exec}" if template.why_exec else ""
    return f"{what}, {count(template.children, 'agent')}{spares}{why}"


def status_lines(
    observed: Observed, terminal: Terminal, *, now: float, where: Mapping[str, str]
) -> list[str]:
    """One fact a line; what needs attention last."""
    node = observed.node
    helpers = ", ".join(f"{helper.name} (pid {helper.pid or '-'})" for helper in node.helpers)
    facts = {
        "node": f"{node.node_id}, version {node.version}",
        "pid": f"{node.pid}, guardian {node.guardian_pid or '-'}",
        "running": f"{duration(now - node.started)}, since {clock_time(node.started, now=now)}",
        "children": state_counts(observed.processes()),
        "helpers": helpers or "none",
        **{f"template {at}": _template(one) for at, one in enumerate(node.templates, start=1)},
        "journal": f"{node.journal_seq} records",
        **where,
    }
    lines = [terminal.paint(pad(name, 10), Tone.IDLE) + printable(value) for name, value in facts.items()]
    for tree in observed.trees:
        message = f' "{tree.message}"' if tree.message else ""
        shape = terminal.paint(terminal.shape(tree.state), terminal.tone(tree.state))
        what = f"{tree.name}: {tree.state}, revision {tree.revision}{message}, {state_counts(tree.root.processes())}"
        lines.append(terminal.paint(pad("tree", 10), Tone.IDLE) + f"{shape} {printable(what)}")
    return lines + node_warnings(observed, terminal)
