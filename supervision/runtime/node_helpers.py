"""The node's helpers: which there are, what they say, and that each answers a ping every second."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from supervision.kernel.spec import Restart
from supervision.runtime import boot
from supervision.runtime.environmentdoc import SECRET_PREFIX
from supervision.runtime.helper_process import HelperProcess
from supervision.runtime.kinship import Leader
from supervision.runtime.link import Message
from supervision.runtime.node_gateway import NodeGateway
from supervision.runtime.output import DEFAULT_MAX_BYTES, DEFAULT_SEGMENTS
from supervision.runtime.processdoc import OutputLimits, ProcessBody
from supervision.runtime.run import MAIN

if TYPE_CHECKING:
    from supervision.runtime.node import Node


COURIER_FIRST_ANSWER_LIMIT_S = 60.0
"""It imports the framework and the clients of both stores before it hears, beside everything else that starts."""
OWN = "system/@"
"""Begins the keys of our own processes in samples; no child's id begins so."""
STORES_VARIABLE = "OVERSTORY_STORES"
"""Set for a guardian, and so for its nodes, that is to use stores: `embedded` or `given`."""
COURIERS_OWN = frozenset({"DATABASE_URL", "REDIS_URL", "DATABASE_URL_FILE", "REDIS_URL_FILE", "HOME", "TZ"})


def uses_stores(environ: Mapping[str, str]) -> bool:
    """Whether a courier is to run."""
    return bool(environ.get(STORES_VARIABLE))


def stores_are_embedded(environ: Mapping[str, str]) -> bool:
    """Whether the store that the courier speaks to ends with our own system tree."""
    return environ.get(STORES_VARIABLE) == "embedded"


def courier_argv() -> list[str]:
    return [sys.executable, str(boot.ROOT / "manage.py"), "courier"]


def courier_environment(environ: Mapping[str, str], data_dir: str) -> dict[str, str]:
    """What it alone is told: where the stores are, and our settings; not the secrets that are meant for children."""
    told = {
        name: value
        for name, value in environ.items()
        if name in COURIERS_OWN
        or (name.startswith("OVERSTORY_") and not name.startswith((SECRET_PREFIX, "OVERSTORY_GUARDIAN")))
    }
    return told | {"OVERSTORY_DATA_DIR": data_dir}


class NodeHelpers:
    """Starts, pings and ends them. `all` is in the order of their start."""

    def __init__(self, node: "Node") -> None:
        self.node = node
        self.all: list[HelperProcess] = []
        self._rotator: HelperProcess | None = None
        self._limited: set[str] = set()
        """Children whose output has bounds of its own, as far as this node told."""
        self._sampler: HelperProcess | None = None
        self.gateway = NodeGateway(node)
        self._courier: HelperProcess | None = None

    def start(self) -> None:
        node = self.node
        data_dir = ("--data-dir", str(node.paths.data_dir))
        self._rotator = self._helper("rotator", data_dir, self._on_rotator, self._send_all_limits)
        node.probes.checkers = node.health.checkers = self._helper(
            "checkers", (), self._on_checkers, self._checkers_started
        )
        self._sampler = self._helper(
            "sampler",
            ("--runtime-dir", str(node.paths.runtime_dir), "--mark-prefix", node.identity.mark_prefix),
            lambda _: None,
            self.tell_sampler,
        )
        self.gateway.helper = self._helper(
            "gateway",
            (
                *data_dir,
                "--node-id",
                node.identity.node_id,
                *(["--stores"] if uses_stores(os.environ) else []),
            ),
            self.gateway.on_message,
            self.gateway.started,
            fds=(node.fds["agent"],),
        )
        if uses_stores(os.environ):
            self._courier = self._helper(
                "courier",
                (),
                self._on_courier,
                lambda: None,
                argv=courier_argv(),
                environment=courier_environment(os.environ, str(node.paths.data_dir)),
                first_answer_limit_s=COURIER_FIRST_ANSWER_LIMIT_S,
            )
        for helper in self.all:
            helper.start()

    def _helper(
        self,
        role: str,
        args: tuple[str, ...],
        on_message: Callable[[Message], None],
        on_start: Callable[[], None],
        **more: Any,
    ) -> HelperProcess:
        """`more` is HelperProcess's."""
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
            **more,
        )
        self.all.append(made)
        return made

    @property
    def courier_runs(self) -> bool:
        """Whether there is somebody who ships records."""
        return self._courier is not None and self._courier.pid is not None

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
        self._rotator = self._sampler = self._courier = self.gateway.helper = None

    # -- sampler, courier -------------------------------------------------------------------------------------------

    def tell_sampler(self) -> None:
        """Every child's process, and our own. Also said from time to time, so that nothing it missed is missed for long."""
        self._send_children(list(self.node.table.leaders.values()), whole=True)

    def _own(self) -> list[list[Any]]:
        """Our own processes, under keys that no child can have. Node and guardian are looked at without what is below them:
        those are children, or strays."""
        own = [
            [f"{OWN}{helper.role}", helper.pid, helper.pid, 0, None, False]
            for helper in self.all
            if helper.pid is not None
        ]
        own.append([f"{OWN}node", os.getpid(), os.getpid(), 0, None, True])
        guardian = self.node.guardian_pid
        if guardian is not None:
            own.append([f"{OWN}guardian", guardian, guardian, 0, None, True])
        return own

    def tell_sampler_of(self, leaders: list[Leader]) -> None:
        """Of children that were just started."""
        self._send_children(leaders, whole=False)

    def _send_children(self, leaders: list[Leader], *, whole: bool) -> None:
        if self._sampler is not None:
            children = [
                [
                    leader.key,
                    leader.incarnation,
                    leader.pid,
                    leader.start_time or 0,
                    self._data_directory(leader),
                    False,
                    self._is_job(leader),
                ]
                for leader in leaders
                if leader.role == MAIN
            ]
            if whole:
                children += self._own()
            self._sampler.send("children", children=children, whole=whole)

    def _data_directory(self, leader: Leader) -> str | None:
        run = self.node.driver.runs.get(leader.key)
        return run.body.data_directory if run is not None else None

    def _is_job(self, leader: Leader) -> bool:
        """Whether it is a child that may end well and stay down."""
        runner = self.node.trees.runners.get(leader.key.partition("/")[0])
        view = runner.kernel.child(leader.key) if runner is not None else None
        return view is not None and view.spec.restart is not Restart.PERMANENT

    def _on_checkers(self, message: Message) -> None:
        self.node.probes.on_message(message)
        self.node.health.on_message(message)

    def _checkers_started(self) -> None:
        self.node.probes.helper_started()
        self.node.health.helper_started()

    def _on_courier(self, message: Message) -> None:
        if message.op == "problem":
            self.node.log.say("courier", problem=message.body.get("what"))

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
        if body.output is not None:
            self._limited.add(key)
        elif key not in self._limited and not self.node.output.has_limits(key):
            return  # they are the rotator's own
        limits = body.output or OutputLimits(DEFAULT_MAX_BYTES, DEFAULT_SEGMENTS)
        if self._rotator is not None:
            self._rotator.send("limits", key=key, max_bytes=limits.max_bytes, segments=limits.segments)

    def send_limits_of(self, leaders: list[Leader]) -> None:
        """For children that were just started."""
        for leader in leaders:
            run = self.node.driver.runs.get(leader.key)
            if run is not None:
                self.send_limits(leader.key, run.body)
