"""Whether guardian and node are alive, and whether anything about them needs attention."""

import fcntl
import os
from collections import Counter
from collections.abc import Iterator

from controlplane.doctor.findings import Finding, Host, fail, ok, warn
from supervision.explain.words import count, duration
from supervision.runtime.client import ControlClient, ControlError
from supervision.runtime.observed import TROUBLE, Observed

ANSWER_S = 3.0
START = "`make run`, or `manage.py guardian` for a service."


def life(host: Host) -> Iterator[Finding]:
    held = _lock_is_held(host)
    try:
        with ControlClient(host.paths.control_socket, clock=host.clock, connect_timeout_s=ANSWER_S) as client:
            observed = Observed.from_json(client.call("tree", timeout_s=ANSWER_S))
    except ControlError as error:
        if held:
            yield ok("life.guardian", f"alive ({_holder(host)})")
            yield fail(
                "life.node",
                f"does not answer: {error.message}",
                "The guardian replaces it; its log says more.",
            )
        else:
            yield warn("life.guardian", "nothing runs here", f"Start it: {START}")
        return
    node = observed.node
    if held:
        yield ok("life.guardian", f"alive (pid {node.guardian_pid or '?'})")
    else:
        yield fail(
            "life.guardian",
            "the node answers, but no guardian holds the lock",
            f"Start a guardian, which adopts it: {START}",
        )
    yield ok("life.node", f"answers (pid {node.pid}, up {duration(host.clock.wall() - node.started)})")
    yield from _attention(observed)


def _attention(observed: Observed) -> Iterator[Finding]:
    node = observed.node
    down = [helper.name for helper in node.helpers if helper.pid is None]
    if down:
        yield warn(
            "life.helpers",
            f"down: {', '.join(down)}",
            "The node starts them again; its log says why they end.",
        )
    else:
        yield ok("life.helpers", ", ".join(helper.name for helper in node.helpers) or "none")
    for template in node.templates:
        if template.why_exec:
            yield warn(
                "life.templates",
                f"agents of {template.name} are exec'd: {template.why_exec}",
                "They start slowly and share no memory. Import less, or what is named here later.",
            )
    if node.journal_short:
        yield fail(
            "life.journal",
            "has no room",
            "Free space in the data directory; what waits then starts.",
        )
    else:
        yield ok("life.journal", f"{node.journal_seq} records")
    if node.strays:
        yield warn("life.strays", count(node.strays, "stray"), "See `manage.py strays list`.")
    states = Counter(child.state for child in observed.processes())
    trouble = {state: states[state] for state in sorted(TROUBLE) if states[state]}
    total = sum(states.values())
    if trouble:
        words = ", ".join(f"{number} {state}" for state, number in trouble.items())
        yield warn(
            "life.children",
            f"{words} of {count(total, 'child', 'children')}",
            "`manage.py tree --state trouble`",
        )
    else:
        yield ok("life.children", f"{count(total, 'child', 'children')}, none in trouble")


def _lock_is_held(host: Host) -> bool:
    """Whether a guardian (or a node, which inherits the lock) is alive."""
    try:
        fd = os.open(host.paths.guardian_lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _holder(host: Host) -> str:
    try:
        return host.paths.guardian_lock.read_text(errors="replace").strip()[:60] or "unknown"
    except OSError:
        return "unknown"


CHECKS = (life,)
