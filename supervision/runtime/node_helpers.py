"""The node's helpers: which there are, what they say, and that each answers a ping every second."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from supervision.runtime.helper_process import HelperProcess
from supervision.runtime.kinship import Leader
from supervision.runtime.link import Message
from supervision.runtime.output import DEFAULT_MAX_BYTES, DEFAULT_SEGMENTS
from supervision.runtime.processdoc import OutputLimits, ProcessBody

if TYPE_CHECKING:
    from supervision.runtime.node import Node


class NodeHelpers:
    """Starts, pings and ends them. `all` is in the order of their start."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.all: list[HelperProcess] = []
        self._rotator: HelperProcess | None = None

    def start(self) -> None:
        node = self.node
        data_dir = ("--data-dir", str(node.paths.data_dir))
        self._rotator = self._helper("rotator", data_dir, self._on_rotator, self._send_all_limits)
        node.probes.checkers = self._helper(
            "checkers", (), node.probes.on_message, node.probes.helper_started
        )

    def _helper(
        self,
        role: str,
        args: tuple[str, ...],
        on_message: Callable[[Message], None],
        on_start: Callable[[], None],
    ) -> HelperProcess:
        node = self.node

        def started() -> None:  # on record, so that its end is never taken for a child's
            node.append("node", {"what": "helper", "role": role, "pid": made.pid})
            on_start()

        made = HelperProcess(
            role,
            loop=node.loop,
            table=node.table,
            log=node.log,
            args=args,
            on_message=on_message,
            on_start=started,
        )
        self.all.append(made)
        made.start()
        return made

    def pids(self) -> list[int | None]:
        """None for one that is down."""
        return [helper.pid for helper in self.all]

    def ping(self) -> None:
        """Once a second."""
        for helper in self.all:
            helper.ping()

    def close(self) -> None:
        """End them all for good."""
        for helper in self.all:
            helper.close()
        self.all.clear()
        self._rotator = None

    # -- rotator ----------------------------------------------------------------------------------------------------

    def _on_rotator(self, message: Message) -> None:
        if message.op == "removed":
            self.node.output.forget(str(message.body.get("key")))
        elif message.op == "problem":
            self.node.log.say("rotator", problem=message.body.get("what"))

    def _send_all_limits(self) -> None:
        for run in self.node.driver.runs.values():
            self.send_limits(run.key, run.body)

    def send_limits(self, key: str, body: ProcessBody) -> None:
        """Tell the rotator how much output of `key` is kept; its own bounds where the tree does not say."""
        limits = body.output or OutputLimits(DEFAULT_MAX_BYTES, DEFAULT_SEGMENTS)
        if self._rotator is not None:
            self._rotator.send("limits", key=key, max_bytes=limits.max_bytes, segments=limits.segments)

    def send_limits_of(self, leaders: list[Leader]) -> None:
        """For children that were just started."""
        for leader in leaders:
            run = self.node.driver.runs.get(leader.key)
            if run is not None:
                self.send_limits(leader.key, run.body)
