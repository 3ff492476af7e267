"""The node: the process that supervises. One thread, one loop; everything slow is somebody else's.

It recovers what the journal says, adopts what still lives, and then only reacts: to pidfds, sd_notify messages, requests on
the control socket, deadlines of the kernels. On the path from a crash to its restart stand only local system calls
(promise P2). It may be killed at any time: what it knows is in the journal.
"""

import contextlib
import os
import signal
import socket
import sys
from typing import Any

from supervision.kernel.events import EscalateKey
from supervision.runtime import boot, linux, snapshot
from supervision.runtime.adoption import Adoption
from supervision.runtime.agent_driver import Forks
from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.clock import SystemClock
from supervision.runtime.collector import Collector
from supervision.runtime.control import ControlServer
from supervision.runtime.desired import DesiredStore
from supervision.runtime.evidence import Evidence
from supervision.runtime.exits import ExitsFile
from supervision.runtime.guardian import UNUSABLE_SETTINGS, Guardian
from supervision.runtime.healthchecks import HealthChecks
from supervision.runtime.helper_process import PING_EVERY_S
from supervision.runtime.identity import boot_id, pid_namespace
from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.kinship import Kinship
from supervision.runtime.launch import Launcher
from supervision.runtime.link import Link
from supervision.runtime.listeners import Listeners
from supervision.runtime.log import Log, current_traceback
from supervision.runtime.loop import Loop
from supervision.runtime.node_ending import NodeEnding, PromotedError
from supervision.runtime.node_events import NodeEvents
from supervision.runtime.node_fencing import NodeFencing
from supervision.runtime.node_helpers import NodeHelpers
from supervision.runtime.node_identity import NodeIdentity
from supervision.runtime.node_process import STORED_PIDFD, NodeStart, Role, inherited, serve
from supervision.runtime.node_trees import NodeTrees
from supervision.runtime.nodesettings import NodeSettings, NodeSettingsError
from supervision.runtime.operations import Operations
from supervision.runtime.options import Options
from supervision.runtime.output import OutputStore
from supervision.runtime.own_children import OwnChildren
from supervision.runtime.paths import Paths
from supervision.runtime.process_driver import ProcessDriver
from supervision.runtime.process_table import ProcessTable
from supervision.runtime.processes import find_marked
from supervision.runtime.readiness import NotifyReceiver, Probes
from supervision.runtime.reporting import Reporting
from supervision.runtime.templates import Templates
from supervision.runtime.version import VERSION

BEAT_EVERY_S = 0.5
SCAN_EVERY_S = 1.0
OUTSIDE_SCAN_EVERY_S = 5.0
SAMPLER_TOLD_EVERY_S = 30.0
TEMPLATES_SWEPT_EVERY_S = 10.0


def shim_path() -> str | None:
    """The built exec shim, where there is one."""
    path = boot.ROOT / "build" / "overstory-exec"
    return str(path) if os.access(path, os.X_OK) else None


def spawn_path() -> str | None:
    """The built library that spawns, where there is one."""
    path = boot.ROOT / "build" / "overstory-spawn.so"
    return str(path) if path.exists() else None


class Node:
    """See the module's docstring. Composes the parts; each part is one file of this package."""

    trees: NodeTrees

    def __init__(self, start: NodeStart, log: Log) -> None:
        paths = Paths(start.data_dir)
        fds = start.fds
        self.start, self.paths, self.fds, self.log = start, paths, fds, log
        self.on_guardian_death = start.on_guardian_death
        self.version = VERSION
        self.clock = SystemClock()
        self.loop = Loop(self.clock)
        self.collector = Collector(self.clock)
        self._grid = self.clock.boot()
        self.guardian_pid = start.guardian_pid
        self.guardian_pidfd = _open_parent(start.guardian_pid)
        self.identity = NodeIdentity.load(paths)
        self.settings = NodeSettings.load(paths.node_toml)
        self.started_at = self.clock.wall()
        self.link = Link(socket.socket(fileno=fds["link"]))
        self.journal = Journal.open(
            paths.journal_dir, clock=self.clock, bound_bytes=self.settings.journal_bytes
        )
        self.exits = ExitsFile(paths.exits_dir)
        self.desired = DesiredStore(paths.desired_dir)
        self.reporting = Reporting(paths.reporting_json, self.settings.labels)
        self.output = OutputStore(paths.logs_dir)
        self.evidence = Evidence(self.journal, self.output)
        self.events = NodeEvents(self, self.evidence)
        self.cgroup = NodeCgroup.open(paths.instance_id)
        self.launcher = Launcher(linux.raise_nofile(), shim_path(), spawn_path())
        self.kinship = Kinship(
            self.identity.mark_prefix, str(paths.logs_dir), OwnChildren(self.loop, self.events.own_child)
        )
        self.table = ProcessTable(
            loop=self.loop,
            clock=self.clock,
            launcher=self.launcher,
            exits=self.exits,
            guardian_pid=self.guardian_pid if self.guardian_pidfd >= 0 else None,
            kinship=self.kinship,
            events=self.events,
        )
        stored = {name.removeprefix("store:"): fd for name, fd in fds.items() if name.startswith("store:")}
        self.listeners = Listeners(self.link, stored)
        self.driver = ProcessDriver(
            loop=self.loop,
            clock=self.clock,
            table=self.table,
            events=self.events,
            output=self.output,
            listeners=self.listeners,
            cgroup=self.cgroup,
            node_id=self.identity.node_id,
            notify_path=str(paths.notify_socket),
            agent_path=str(paths.agent_socket),
            environment=os.environ,
            allow=self.settings.allow,
            as_root=os.getuid() == 0,
            reporting=lambda *life: self.trees.told_to_report(*life),
        )
        self.probes = Probes(self.loop, self.driver)
        self.health = HealthChecks(
            self.loop, self.clock, self.driver, escalate=self._escalate, say=self.log.say
        )
        self.probes.health = self.health
        self.driver.deadlines.probes = self.probes
        self.templates = Templates(
            loop=self.loop,
            launcher=self.launcher,
            table=self.table,
            mark_prefix=self.identity.mark_prefix,
            directory=str(paths.templates_dir),
            record=lambda body: self.append("node", body),
        )
        self.table.reap_of_template = self.templates.reap
        self.driver.forks = Forks(self.driver, self.templates, self.loop)
        self.trees = NodeTrees(self)
        self.fencing = NodeFencing(self)
        self.helpers = NodeHelpers(self)
        self.ending = NodeEnding(self)
        self.kinship.own.wanted = self.trees.wanted
        self.kinship.own.exists = self.trees.has
        self.kinship.keeps = self.trees.keeps_descendants
        self.table.relatives.wanted = self.trees.wanted
        self.table.relatives.outsiders = self._outsiders
        self._snapshot_asked = False
        self.operations = Operations(self)

    @property
    def stopping(self) -> bool:
        """Everything is on its way down."""
        return self.ending.stopping

    # -- start ------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Recover, adopt, supervise until told to stop; the exit status."""
        self.loop.on_signal(
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGHUP,
            callback=self.ending.on_stop_signal,
        )
        self.loop.on_signal(signal.SIGUSR2, callback=lambda _: self.ending.reexec())
        if self.guardian_pidfd >= 0:
            self.loop.watch(self.guardian_pidfd, self.ending.guardian_died)
        else:
            self.loop.call_later(0.0, self.ending.guardian_died)
        self.loop.watch(self.link.fileno(), self.ending.on_link)
        if self.cgroup is not None:
            self.cgroup.enter_run()
        adoption = Adoption(self, self._handed_pidfds())
        adoption.replay()
        adoption.adopt()
        if adoption.rebooted:
            self.write_snapshot()  # the kernels begin anew here; otherwise what resuming decides stands in its own records
        self.paths.restored.unlink(
            missing_ok=True
        )  # before anything is started, so that it counts for this start only
        self.append(
            "node",
            {
                "what": "started",
                "boot_id": boot_id(),
                "pid_namespace": pid_namespace(),
                "pid": os.getpid(),
                "guardian_pid": self.guardian_pid,
                "stopping": self.start.stopping,
                "version": VERSION,
                **adoption.summary(),
            },
        )
        self.notify = NotifyReceiver(
            self.loop,
            socket.socket(fileno=self.fds["notify"]),
            self.driver,
            lambda _: self.operations.changed(),
        )
        adoption.resume()
        del adoption  # a thousand records that nobody needs again
        self.server = ControlServer(
            self.loop,
            socket.socket(fileno=self.fds["control"]),
            handler=self.operations.handle,
            hello={"node_id": self.identity.node_id, "pid": os.getpid(), "version": VERSION},
        )
        self.link.send("hello")
        self.loop.call_soon(self._begin_rounds)
        with contextlib.suppress(PromotedError):
            self.loop.run()
        return 0

    def _begin_rounds(self) -> None:
        """Helpers and what is done from time to time, behind the first round of the loop: children that died while no node
        lived are started again in that, and five interpreters that start would stand in their way (0.1 s)."""
        self.collector.begin()
        self.helpers.start()
        self._every(BEAT_EVERY_S, lambda: self.link.send("beat"))
        self._every(SCAN_EVERY_S, self._scan)
        self._every(PING_EVERY_S, self.helpers.ping)
        self._every(OUTSIDE_SCAN_EVERY_S, self._scan_outside)
        self._every(SAMPLER_TOLD_EVERY_S, self.helpers.tell_sampler)
        self._every(TEMPLATES_SWEPT_EVERY_S, lambda: self.templates.keep_only(self.trees.wanted))

    def _handed_pidfds(self) -> dict[int, int]:
        """pid -> pidfd of children that a predecessor knew which was promoted or executed anew, and of all that were the
        guardian's to reap when it started us."""
        return {
            int(name.removeprefix(STORED_PIDFD)): fd
            for name, fd in self.fds.items()
            if name.startswith(STORED_PIDFD)
        }

    def _every(self, seconds: float, work: Any) -> None:
        """Each period's turns stand on one grid with the others', so that the node wakes once for all that are due."""

        def again() -> None:
            work()
            turns = (self.clock.boot() - self._grid) // seconds + 1
            self.loop.call_at(self._grid + turns * seconds, again)

        again()

    def why_no_memory(self) -> str:
        """Why `memory_max` cannot be had here; empty when it can."""
        return NodeCgroup.why_not if self.cgroup is None else self.cgroup.why_no_memory()

    def _outsiders(self) -> list[int]:
        """Processes that our control group or their marker says are ours, wherever they are."""
        if self.cgroup is not None:
            return self.cgroup.members()
        return [pid for pids in find_marked(self.identity.mark_prefix).values() for pid in pids]

    def something_changed(self) -> None:
        self.operations.changed()
        if self.trees.returning.requests and not self.stopping:
            self.loop.call_soon(self.trees.returning.bring_back)
        if self.journal.snapshot_due and not self._snapshot_asked:
            self._snapshot_asked = True
            self.loop.call_soon(self.write_snapshot)

    # -- journal ----------------------------------------------------------------------------------------------------

    def _escalate(self, key: str, incarnation: int, why: str) -> None:
        """A child is not well, and its supervisor is to fail for it."""
        runner = self.trees.runners.get(key.partition("/")[0])
        if runner is None or runner.blocked or self.stopping:
            return  # what goes on now ends it, or is on its way out
        self.operations.call(runner, EscalateKey(key, incarnation, why), lambda _: None)

    def append(self, kind: str, body: dict[str, Any]) -> bool:
        """A record that no decision waits for: on a full disk it is left out and said in the log."""
        try:
            self.journal.append(kind, body)
        except JournalFull as error:
            self.log.say("record left out", kind=kind, why=str(error))
            return False
        return True

    def write_snapshot(self) -> None:
        """The complete state as one record, between two steps; later, while a kernel has not heard of everything."""
        self._snapshot_asked = False
        if not self.trees.idle:
            return
        try:
            self.journal.append_snapshot(self.snapshot())
        except JournalFull as error:
            self.log.say("snapshot left out", why=str(error))
        else:
            self.trees.snapshot_written()

    def snapshot(self) -> dict[str, Any]:
        """See recovery.from_snapshot."""
        runs = self.driver.runs.values()
        return {
            "version": snapshot.VERSION,
            "boot_id": boot_id(),
            "guardian_pid": self.guardian_pid,
            "adopted_strays": self.kinship.adopted,
            "strays": self.table.relatives.strays_to_remember(),
            "own_children": self.kinship.own.to_json(),
            "helpers": [*self.helpers.pids(), *self.templates.pids()],
            "fences": {name: [fence.epoch, fence.down] for name, fence in self.fencing.fences.items()},
            "commands": self.operations.ledger.to_json(),
            "local_seq": self.trees.local_seq,
            "interrupted": sorted(self.trees.interrupted),
            "stopped_cleanly": False,
            "node_id": self.identity.node_id,
            "incarnations": self.trees.retired,
            "removing": sorted(self.trees.removing),
            "returning": self.trees.returning.to_json(),
            "trees": snapshot.trees_of(self.trees.runners, self.trees.revisions),
            "processes": snapshot.processes_of(runs),
            "unconfirmed": snapshot.unconfirmed_of(runs, self.clock.boot()),
        }

    # -- once a second ----------------------------------------------------------------------------------------------

    def _scan(self) -> None:
        self.table.relatives.scan()
        self.listeners.store()
        self.evidence.look()
        self.collector.look()
        self.output.spares.refresh()
        self.table.stand_by(self.output.spares.ledger)
        if self.journal.short:
            self.journal.refill()
        if self.trees.unrecorded:
            self.write_snapshot()

    def _scan_outside(self) -> None:
        """What escaped is in our control group; without one, only a look into every environment finds it."""
        if self.cgroup is not None or any(leader.parent == "other" for leader in self.table.leaders.values()):
            self.table.relatives.discover_outside()


def run_node(start: NodeStart) -> int | Role:
    """Be the node; the exit status, or after a promotion the guardian that this process goes on as."""
    os.umask(0o077)
    linux.set_comm("overstory-node")
    linux.become_subreaper()
    log = Log(start.log_file, "node")
    try:
        return _live(start, log)
    except NodeSettingsError as error:
        log.say("settings cannot be used", why=str(error))
        sys.stderr.write(f"node: {error}\n")
        return UNUSABLE_SETTINGS
    except Exception:  # noqa: BLE001 the outermost loop of a process: record, and let the guardian see a death
        log.say("node failed", error=current_traceback())
        return 1


def _live(start: NodeStart, log: Log) -> int | Role:
    node = Node(start, log)
    status = node.run()
    node.output.spares.settle()
    promotion, stopped = node.ending.promotion, node.stopping
    if promotion is None:
        node.journal.close()
        return status
    node.ending.let_go()
    collector = node.collector
    del node
    collector.end()
    linux.set_comm("overstory-guard")
    guardian = Guardian(Paths(start.data_dir), promotion, Log(start.log_file, "guardian"))
    return guardian.clean_up if stopped else guardian.run


def _open_parent(guardian_pid: int) -> int:
    """A pidfd of the guardian that started us, or -1 when it died already: its number may be anybody's then."""
    try:
        pidfd = os.pidfd_open(guardian_pid)
    except ProcessLookupError:
        return -1
    if os.getppid() == guardian_pid:
        return pidfd
    os.close(pidfd)
    return -1


def main(argv: list[str]) -> int:
    """`boot.py node`: by exec of a guardian or a node that hands over its descriptors, and by nobody else."""
    options = Options(argv, "--data-dir", "--log-file")
    data_dir = Paths.from_environment(options.get("--data-dir", None)).data_dir
    start = inherited(data_dir, options.get("--log-file", "-"))
    if start is None or options.problem:
        sys.stderr.write(f"node: {options.problem or 'started by the guardian only'}\n")
        return 2
    return serve(lambda: run_node(start))
