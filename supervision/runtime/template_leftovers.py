"""What a dead node leaves of its templates: they end by themselves, and a new node does not wait for that.

Templates, spares, and what was forked and has not yet become anything all carry one marker. Each is killed, and waited for,
until none is left: after that nothing is forked any more that the new node does not know of, and whatever became an agent
carries the agent's marker.
"""

import contextlib
import os
import select
from collections.abc import Callable

from supervision.runtime.template_order import kill

UNUSED_STATUS = 79 << 8
"""Wait status of a template or spare that ended because its node did (`overstory._template.UNUSED`)."""
WAIT_MS = 1000
"""For the death of what was killed; in the middle of a long system call it takes a moment."""


def end_templates(found: list[int], look_again: Callable[[], list[int]]) -> set[int]:
    """Kill `found` and what `look_again` finds until that is nothing; the pids that were killed."""
    killed: set[int] = set()
    while found:
        waiting = []
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                pidfd = os.pidfd_open(pid)
                waiting.append(pidfd)
                kill(pidfd)
                killed.add(pid)
        poll = select.poll()
        for pidfd in waiting:
            poll.register(pidfd, select.POLLIN)
        for pidfd in waiting:
            poll.poll(WAIT_MS)
            poll.unregister(pidfd)
            os.close(pidfd)
        found = [pid for pid in look_again() if pid not in killed]
    return killed
