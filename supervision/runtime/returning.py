"""Dynamic children across a stop of everything: what was added to a tree by hand is added again.

OTP loses them with their supervisor, and so does a kernel. A machine that is switched off and on again, or a node that was
stopped for it, is no decision about them: they are remembered, and added once their supervisor is at work again.
"""

from collections.abc import Callable, Iterable
from typing import Any

from supervision.kernel import Kernel
from supervision.kernel.events import Call, StartChild
from supervision.runtime.log import Log
from supervision.runtime.tree_runner import TreeRunner

REF = "returning"
RUNNING = "running"


class Returning:
    """The requests to be made once more, by tree, in the order of the children."""

    def __init__(self, log: Log, runner: Callable[[str], TreeRunner | None]) -> None:
        self.requests: dict[str, list[StartChild]] = {}
        self._log, self._runner = log, runner

    def remember(self, kernels: Iterable[Kernel]) -> None:
        """Everything is about to be stopped. What has not been brought back yet stays remembered."""
        for kernel in kernels:
            known = self.requests.get(kernel.name, [])
            found = [request for request in dynamic_children(kernel) if request not in known]
            if known or found:
                self.requests[kernel.name] = [*known, *found]

    def bring_back(self) -> None:
        """Add again what can be: call whenever something changed."""
        for name, requests in list(self.requests.items()):
            runner = self._runner(name)
            if runner is None:
                del self.requests[name]
                continue
            later = []
            for request in requests:
                view = runner.kernel.child(request.supervisor)
                if view is None:
                    self._log.say(
                        "dynamic child not added again", supervisor=request.supervisor, why="removed"
                    )
                elif view.state == RUNNING:
                    runner.feed(Call(REF, request))
                else:
                    later.append(request)
            if later:
                self.requests[name] = later
            else:
                self.requests.pop(name, None)

    def to_json(self) -> dict[str, list[Any]]:
        return {name: [request.to_json() for request in requests] for name, requests in self.requests.items()}


def dynamic_children(kernel: Kernel) -> list[StartChild]:
    """How the dynamic children of a tree were asked for."""
    found = []
    for view in kernel.children():
        above = kernel.child(view.supervisor) if view.dynamic and view.supervisor is not None else None
        if above is not None and above.spec.supervisor is not None:
            simple = above.spec.supervisor.is_simple
            found.append(
                StartChild(above.key, instance=view.id) if simple else StartChild(above.key, child=view.spec)
            )
    return found
