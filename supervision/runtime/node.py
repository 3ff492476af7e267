"""The node: the process that supervises. One thread, one loop; everything slow is somebody else's.

It recovers what the journal says, adopts what still lives, and then only reacts: to pidfds, sd_notify messages, requests on
the control socket, deadlines of the kernels. On the path from a crash to its restart stand only local system calls
(promise P2). It may be killed at any time: what it knows is in the journal.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
import traceback
from dataclasses import replace
from typing import Any

from supervision.kernel import Kernel
from supervision.kernel.events import Begin, StopRoot
from supervision.runtime import boot, linux, snapshot
from supervision.runtime.adoption import Adoption
from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.clock import SystemClock
from supervision.runtime.control import ControlServer
from supervision.runtime.desired import DesiredStore, DesiredTree
from supervision.runtime.evidence import Evidence
from supervision.runtime.exits import ExitsFile
from supervision.runtime.guardian import UNUSABLE_SETTINGS, Guardian, GuardianState
from supervision.runtime.helper_process import PING_EVERY_S, HelperProcess
from supervision.runtime.identity import boot_id, has_exited, pid_namespace
from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.kinship import Kinship, Leader, Relative
from supervision.runtime.launch import Launcher
from supervision.runtime.link import Link, Message
from supervision.runtime.listeners import Listeners, sockets_of
from supervision.runtime.log import Log
from supervision.runtime.loop import Loop
from supervision.runtime.node_identity import NodeIdentity
from supervision.runtime.node_process import NodeStart, Role, become_node, inherited, serve
from supervision.runtime.nodesettings import NodeSettings, NodeSettingsError
from supervision.runtime.operations import Operations
from supervision.runtime.options import Options
from supervision.runtime.output import DEFAULT_MAX_BYTES, DEFAULT_SEGMENTS, OutputStore
from supervision.runtime.paths import Paths
from supervision.runtime.process_driver import POST_STOP, ProcessDriver, Run
from supervision.runtime.process_table import ProcessTable
from supervision.runtime.processdoc import OutputLimits, ProcessBody
from supervision.runtime.processes import find_marked
from supervision.runtime.readiness import NotifyReceiver, Probes
from supervision.runtime.recovery import RecoveredTree
from supervision.runtime.returning import Returning
from supervision.runtime.tree_runner import TreeRunner

BEAT_EVERY_S = 0.5
SCAN_EVERY_S = 1.0
EVIDENCE_DELAY_S = 0.015
"""After an abnormal end: the replacement has started by then, and is not kept off the processor by our reading."""
OUTSIDE_SCAN_EVERY_S = 5.0
SYSTEM_TREE = "system"
SYSTEM_WAIT_S = 60.0
"""At a clean start the users' trees wait this long for the system tree to be ready, then start all the same."""
HANDED_OVER = ("lock", "control", "notify", "link")
VERSION = "0.1.0"


def shim_path() -> str | None:
    """The built exec shim, where there is one."""
    path = boot.ROOT / "build" / "overstory-exec"
    return str(path) if os.access(path, os.X_OK) else None


class PromotedError(Exception):
    """Leaves the node's loop at once: this process goes on as the guardian."""


class Node:
    """See the module's docstring. Composes the parts; each part is one file of this package."""

    def __init__(self, start: NodeStart, log: Log) -> None:
        paths = Paths(start.data_dir)
        fds = start.fds
        self.start, self.paths, self.fds, self.log = start, paths, fds, log
        self.on_guardian_death = start.on_guardian_death
        self.version = VERSION
        self.clock = SystemClock()
        self.loop = Loop(self.clock)
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
        self.output = OutputStore(paths.logs_dir)
        self.cgroup = NodeCgroup.open(paths.instance_id)
        self.launcher = Launcher(linux.raise_nofile(), shim_path())
        self.kinship = Kinship(self.identity.mark_prefix, str(paths.logs_dir))
        self.table = ProcessTable(
            loop=self.loop,
            clock=self.clock,
            launcher=self.launcher,
            exits=self.exits,
            guardian_pid=self.guardian_pid if self.guardian_pidfd >= 0 else None,
            kinship=self.kinship,
            events=self,
        )
        stored = {name.removeprefix("store:"): fd for name, fd in fds.items() if name.startswith("store:")}
        self.listeners = Listeners(self.link, stored)
        self.driver = ProcessDriver(
            loop=self.loop,
            clock=self.clock,
            table=self.table,
            events=self,
            output=self.output,
            listeners=self.listeners,
            cgroup=self.cgroup,
            node_id=self.identity.node_id,
            notify_path=str(paths.notify_socket),
            environment=os.environ,
            allow=self.settings.allow,
            as_root=os.getuid() == 0,
        )
        self.probes = Probes(self.loop, self.driver)
        self.driver.probes = self.probes
        self.kinship.keeps = self._keeps_descendants
        self.table.wanted = self._wanted
        self.table.outsiders = self._outsiders
        self.evidence = Evidence(self.journal, self.output)
        self.runners: dict[str, TreeRunner] = {}
        self.revisions: dict[str, DesiredTree] = {}
        self.removing: set[str] = set()
        self.retired: dict[str, dict[str, int]] = {}
        self.returning = Returning(self.log, self._runner)
        self.interrupted: set[str] = set()
        """Trees that a stop of everything takes down: were it cut short, the next start would begin them."""
        self.stopping = False
        self.hard = False
        self.promotion: GuardianState | None = None
        self._evidence_due: list[tuple[str, int, str, Leader | None]] = []
        self.waiting_for_system: list[str] = []
        self._snapshot_asked = False
        self.operations = Operations(self)
        self.helpers: list[HelperProcess] = []

    # -- start ------------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Recover, adopt, supervise until told to stop; the exit status."""
        self.loop.on_signal(
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGHUP,
            callback=self._on_stop_signal,
        )
        self.loop.on_signal(signal.SIGUSR2, callback=lambda _: self._reexec())
        if self.guardian_pidfd >= 0:
            self.loop.watch(self.guardian_pidfd, self._guardian_died)
        else:
            self.loop.call_later(0.0, self._guardian_died)
        self.loop.watch(self.link.fileno(), self._on_link)
        if self.cgroup is not None:
            self.cgroup.enter_run()
        adoption = Adoption(self, self._handed_pidfds())
        adoption.replay()
        adoption.adopt()
        if adoption.rebooted:
            self.write_snapshot()  # the kernels begin anew here; otherwise what resuming decides stands in its own records
        self._append(
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
        self._start_helpers()
        adoption.resume()
        del adoption  # a thousand records that nobody needs again
        self.server = ControlServer(
            self.loop,
            socket.socket(fileno=self.fds["control"]),
            handler=self.operations.handle,
            hello={"node_id": self.identity.node_id, "pid": os.getpid(), "version": VERSION},
        )
        self.link.send("hello")
        self._every(BEAT_EVERY_S, lambda: self.link.send("beat"))
        self._every(SCAN_EVERY_S, self._scan)
        self._every(PING_EVERY_S, self._ping)
        self._every(OUTSIDE_SCAN_EVERY_S, self._scan_outside)
        gc.collect()
        linux.trim_heap()
        gc.freeze()
        with contextlib.suppress(PromotedError):
            self.loop.run()
        return 0

    def _handed_pidfds(self) -> dict[int, int]:
        """pid -> pidfd of children that are nobody's to wait for, from a promoted or re-executed predecessor."""
        prefix = "store:pidfd:"
        return {
            int(name.removeprefix(prefix)): fd for name, fd in self.fds.items() if name.startswith(prefix)
        }

    def _every(self, seconds: float, work: Any) -> None:
        def again() -> None:
            work()
            self.loop.call_later(seconds, again)

        again()

    def _start_helpers(self) -> None:
        def helper(role: str, args: tuple[str, ...], on_message: Any, on_start: Any) -> HelperProcess:
            def started() -> None:  # on record, so that its end is never taken for a child's
                self._append("node", {"what": "helper", "role": role, "pid": made.pid})
                on_start()

            made = HelperProcess(
                role,
                loop=self.loop,
                table=self.table,
                log=self.log,
                args=args,
                on_message=on_message,
                on_start=started,
            )
            self.helpers.append(made)
            made.start()
            return made

        self.rotator = helper(
            "rotator", ("--data-dir", str(self.paths.data_dir)), self._on_rotator, self._send_limits
        )
        checkers = helper("checkers", (), self.probes.on_message, self.probes.helper_started)
        self.probes.checkers = checkers

    def _on_rotator(self, message: Message) -> None:
        if message.op == "removed":
            self.output.forget(str(message.body.get("key")))
        elif message.op == "problem":
            self.log.say("rotator", problem=message.body.get("what"))

    def _send_limits(self) -> None:
        for run in self.driver.runs.values():
            self.send_limits(run.key, run.body)

    def send_limits(self, key: str, body: ProcessBody) -> None:
        """Tell the rotator how much output of `key` is kept; its own bounds where the tree does not say."""
        limits = body.output or OutputLimits(DEFAULT_MAX_BYTES, DEFAULT_SEGMENTS)
        if self.helpers:
            self.helpers[0].send("limits", key=key, max_bytes=limits.max_bytes, segments=limits.segments)

    # -- trees ------------------------------------------------------------------------------------------------------

    def add_runner(self, name: str, kernel: Kernel) -> TreeRunner:
        runner = TreeRunner(
            name,
            kernel,
            loop=self.loop,
            clock=self.clock,
            journal=self.journal,
            driver=self.driver,
            on_reply=self.operations.reply,
            on_change=self._changed,
            on_exit=self._root_ended,
        )
        self.runners[name] = runner
        return runner

    def restore(self, tree: RecoveredTree) -> TreeRunner:
        """A runner for a tree the journal knows."""
        runner = self.add_runner(tree.name, tree.kernel)
        runner.since, runner.last_exit, runner.ended = tree.since, tree.last_exit, tree.ended
        self.revisions[tree.name] = DesiredTree(
            tree.name, tree.revision, tree.digest, tree.message, tree.applied_at, tree.document
        )
        return runner

    def remove_tree(self, name: str) -> None:
        """Stop the tree; it is forgotten when everything of it is gone, by the next node if this one dies meanwhile."""
        if name not in self.removing:
            self.removing.add(name)
            self._append("tree", {"what": "removing", "tree": name})
        runner = self.runners[name]
        if runner.is_down:
            self._forget_tree(runner)
        else:
            runner.feed(StopRoot())

    def _root_ended(self, runner: TreeRunner, reason: Any) -> None:
        if runner.name in self.removing:
            self.loop.call_soon(lambda: self._forget_tree(runner))
        if self.stopping:
            self.loop.call_soon(self._stop_next)

    def _forget_tree(self, runner: TreeRunner) -> None:
        if self.runners.pop(runner.name, None) is None:
            return
        self.removing.discard(runner.name)
        for view in runner.kernel.children():
            self.driver.forget(view.key)
        runner.close()
        self.revisions.pop(runner.name, None)
        self.retired[runner.name] = runner.kernel.incarnations()
        self.returning.requests.pop(runner.name, None)
        self._append("tree", {"what": "removed", "tree": runner.name})
        self.desired.remove(runner.name)
        self.listeners.close_tree(runner.name)
        self.operations.trees.removed(runner.name)
        self.operations.changed()

    def close_unused_sockets(self, runner: TreeRunner) -> None:
        """A new revision may have left some without a child."""
        kernel = runner.kernel
        dynamic = (view.spec for view in kernel.children() if view.dynamic)
        self.listeners.keep_only(runner.name, [*sockets_of(kernel.spec.children), *sockets_of(dynamic)])

    def why_no_memory(self) -> str:
        """Why `memory_max` cannot be had here; empty when it can."""
        return NodeCgroup.why_not if self.cgroup is None else self.cgroup.why_no_memory()

    def _keeps_descendants(self, key: str) -> bool:
        runner = self._runner(key)
        view = runner.kernel.child(key) if runner is not None else None
        if view is None or view.spec.body.get("process", {}).get("descendants") != "keep":
            return False
        return self._wanted(key)

    def _wanted(self, key: str) -> bool:
        """Whether the child exists and neither it nor a supervisor above it is to be down."""
        runner = self._runner(key)
        if runner is None or self.stopping or runner.name in self.removing:
            return False
        parts = key.split("/")
        views = (runner.kernel.child("/".join(parts[:depth])) for depth in range(len(parts), 0, -1))
        return all(view is not None and view.wanted for view in views)

    def _outsiders(self) -> list[int]:
        """Processes that our control group or their marker says are ours, wherever they are."""
        if self.cgroup is not None:
            return self.cgroup.members()
        return [pid for pids in find_marked(self.identity.mark_prefix).values() for pid in pids]

    def _runner(self, key: str) -> TreeRunner | None:
        return self.runners.get(key.partition("/")[0])

    # -- what the driver and the process table say ------------------------------------------------------------------

    def started(self, key: str, incarnation: int, leader: Leader) -> None:
        runner = self._runner(key)
        if runner is not None:
            runner.started(key, incarnation, leader)

    def stage(self, run: Run, leader: Leader) -> bool:
        """The next process of an incarnation that is already known as started."""
        body = {
            "key": run.key,
            "incarnation": run.incarnation,
            "pid": leader.pid,
            "inode": leader.inode,
            "role": leader.role,
            "job": run.job,
        }
        return self._append("process", body | {"reason": run.reason} if run.stage == POST_STOP else body)

    def start_failed(self, key: str, incarnation: int, reason: str) -> None:
        runner = self._runner(key)
        if runner is not None:
            runner.start_failed(key, incarnation, reason)

    def ready(self, key: str, incarnation: int) -> None:
        runner = self._runner(key)
        if runner is not None:
            runner.ready(key, incarnation)

    def exited(self, run: Run, reason: str, leader: Leader | None) -> None:
        key, incarnation = run.key, run.incarnation
        runner = self._runner(key)
        if runner is not None:
            runner.exited(key, incarnation, reason, lambda: self.driver.recorded(run))
        else:
            self.driver.recorded(run)
        if self.evidence.wanted(reason):
            if not self._evidence_due:
                self.loop.call_later(EVIDENCE_DELAY_S, self._write_evidence)
            self._evidence_due.append((key, incarnation, reason, leader))

    def _write_evidence(self) -> None:
        due, self._evidence_due = self._evidence_due, []
        for key, incarnation, reason, leader in due:
            self.evidence.record(key, incarnation, reason, leader)

    def identity_learnt(self, leaders: list[Leader]) -> None:
        identities = [
            [leader.key, leader.incarnation, leader.start_time] for leader in leaders if leader.role == "main"
        ]
        if identities:
            self._append("process", {"identities": identities})
            self._send_limits_of(leaders)

    def _send_limits_of(self, leaders: list[Leader]) -> None:
        for leader in leaders:
            run = self.driver.runs.get(leader.key)
            if run is not None:
                self.send_limits(leader.key, run.body)

    def stray(self, what: str, relative: Relative) -> None:
        body = {"what": what, "pid": relative.pid, **relative.facts, "origin": relative.origin}
        if what == "adopted":
            body["key"] = relative.owner
        self._append("stray", body)
        self.operations.changed()

    def _changed(self) -> None:
        self.operations.changed()
        if self.returning.requests and not self.stopping:
            self.loop.call_soon(self.returning.bring_back)
        if self.journal.snapshot_due and not self._snapshot_asked:
            self._snapshot_asked = True
            self.loop.call_soon(self.write_snapshot)

    # -- journal ----------------------------------------------------------------------------------------------------

    def _append(self, kind: str, body: dict[str, Any]) -> bool:
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
        if not all(runner.idle for runner in self.runners.values()):
            return
        try:
            self.journal.append_snapshot(self.snapshot())
        except JournalFull as error:
            self.log.say("snapshot left out", why=str(error))

    def snapshot(self) -> dict[str, Any]:
        """See recovery.from_snapshot."""
        runs = self.driver.runs.values()
        return {
            "version": snapshot.VERSION,
            "boot_id": boot_id(),
            "guardian_pid": self.guardian_pid,
            "adopted_strays": self.kinship.adopted,
            "strays": self.table.strays_to_remember(),
            "helpers": [helper.pid for helper in self.helpers],
            "interrupted": sorted(self.interrupted),
            "stopped_cleanly": False,
            "node_id": self.identity.node_id,
            "incarnations": self.retired,
            "removing": sorted(self.removing),
            "returning": self.returning.to_json(),
            "trees": snapshot.trees_of(self.runners, self.revisions),
            "processes": snapshot.processes_of(runs),
            "unconfirmed": snapshot.unconfirmed_of(runs, self.clock.boot()),
        }

    # -- once a second ----------------------------------------------------------------------------------------------

    def _scan(self) -> None:
        self.table.scan()
        self.listeners.store()
        self.evidence.look()
        if self.journal.short:
            self.journal.refill()

    def _scan_outside(self) -> None:
        """What escaped is in our control group; without one, only a look into every environment finds it."""
        if self.cgroup is not None or any(leader.parent == "other" for leader in self.table.leaders.values()):
            self.table.discover_outside()

    def _ping(self) -> None:
        for helper in self.helpers:
            helper.ping()

    # -- guardian ---------------------------------------------------------------------------------------------------

    def _on_link(self) -> None:
        messages = self.link.receive()
        if messages is None:
            self.loop.unwatch(self.link.fileno())  # the guardian's death follows on its pidfd
            return
        for message in messages:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        if message.op == "stop":
            self.stop(hard=bool(message.body.get("hard")))
        elif message.op == "reexec":
            self._reexec()

    def _on_stop_signal(self, number: int) -> None:
        """Stopping is the guardian's decision: it would start another node."""
        if not self.link.send("stop", why=f"{signal.Signals(number).name} to the node"):
            self.stop()

    def _guardian_died(self) -> None:
        self.loop.unwatch(self.guardian_pidfd)
        self.table.guardian_died()
        self._append("node", {"what": "guardian_died", "policy": self.on_guardian_death})
        self.log.say("guardian died", policy=self.on_guardian_death)
        if self.stopping or self.on_guardian_death == "stop":
            self.stop()
        else:
            self._promote()

    def _promote(self) -> None:
        """Become the guardian in place: our children stay ours, the node that follows adopts them."""
        self._write_evidence()
        self.write_snapshot()
        self.close_helpers()
        self.promotion = self._guardian_state()
        raise PromotedError  # not one more callback: it might close a descriptor that is being handed over

    def _guardian_state(self) -> GuardianState:
        kept = {name: fd for name, fd in self._fds_to_hand_over().items() if name != "link"}
        return GuardianState(self.on_guardian_death, kept, None, self.start.log_file)

    def _reexec(self) -> None:
        """Upgrade in place: a snapshot, then exec of the same role; children stay ours and notice nothing."""
        self.log.say("node execs itself")
        self._write_evidence()
        self._append("node", {"what": "reexec"})
        self.write_snapshot()
        self.close_helpers()
        self.launcher.restore_nofile()
        become_node(replace(self.start, fds=self._fds_to_hand_over(), stopping=self.stopping))

    def _fds_to_hand_over(self) -> dict[str, int]:
        fds = {name: fd for name, fd in self.fds.items() if name in HANDED_OVER}
        for name, fd in self.listeners.fds.items():
            fds["store:" + name] = fd
        for pid, pidfd in self.table.foreign_pidfds():
            fds[f"store:pidfd:{pid}"] = pidfd
        return fds

    def close(self) -> None:
        """Let go of everything but what is handed over: this process goes on as something else."""
        self.server.close()
        self.notify.close()
        self.link.close()
        self.table.close()
        self.loop.close()
        self.journal.close()
        self.exits.close()
        self.launcher.restore_nofile()
        self.launcher.close()
        if self.guardian_pidfd >= 0:
            os.close(self.guardian_pidfd)

    # -- stop -------------------------------------------------------------------------------------------------------

    def stop(self, *, hard: bool = False) -> None:
        """Stop every tree, the system tree last, then end. `hard`: kill instead of asking."""
        first = not self.stopping
        self.stopping = True
        if hard and not self.hard:
            self.hard = True
            for leader in list(self.table.leaders.values()):
                self.table.kill(leader, "brutal_kill")
        if first:
            self.returning.remember(runner.kernel for runner in self.runners.values())
            self._append("node", {"what": "stopping", "dynamic": self.returning.to_json()})
            self.interrupted |= {runner.name for runner in self.runners.values() if not runner.is_down}
            for runner in self.runners.values():
                if runner.name != SYSTEM_TREE and not runner.is_down:
                    runner.feed(StopRoot())
        self._stop_next()

    def _stop_next(self) -> None:
        up = [runner for runner in self.runners.values() if not runner.is_down]
        if not up and not self.driver.runs:
            self._end()
        elif all(runner.name == SYSTEM_TREE for runner in up):
            for runner in up:
                runner.feed(StopRoot())

    def _end(self) -> None:
        self.table.discover()
        self.table.discover_outside()
        for relative in list(self.table.relatives.values()):
            self.table.end_relative(relative)
        self.close_helpers()
        self._write_evidence()
        self._append("node", {"what": "stopped"})
        if self.guardian_pidfd < 0 or has_exited(self.guardian_pidfd):
            self.promotion = self._guardian_state()
        self.loop.stop()

    def close_helpers(self) -> None:
        for helper in self.helpers:
            helper.close()
        self.helpers.clear()

    # -- clean start ------------------------------------------------------------------------------------------------

    def begin_trees(self, names: list[str]) -> None:
        """Start trees that are down: the system tree first, the others once it is ready."""
        others = [name for name in names if name != SYSTEM_TREE]
        if SYSTEM_TREE in names:
            self.waiting_for_system = others
            self.runners[SYSTEM_TREE].feed(Begin())
            self._begin_others(self.clock.boot() + SYSTEM_WAIT_S)
        else:
            self._begin(others)

    def _begin_others(self, deadline: float) -> None:
        runner = self.runners.get(SYSTEM_TREE)
        ready = runner is None or all(view.state == "running" for view in runner.kernel.children())
        if self.stopping:
            return
        if ready or self.clock.boot() >= deadline:
            names, self.waiting_for_system = self.waiting_for_system, []
            self._begin(names)
        else:
            self.loop.call_later(0.05, lambda: self._begin_others(deadline))

    def _begin(self, names: list[str]) -> None:
        for name in names:
            if name in self.runners and not self.stopping:
                self.runners[name].feed(Begin())


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
        log.say("node failed", error=traceback.format_exc())
        return 1


def _live(start: NodeStart, log: Log) -> int | Role:
    node = Node(start, log)
    status = node.run()
    promotion, stopped = node.promotion, node.stopping
    if promotion is None:
        node.journal.close()
        return status
    node.close()
    del node
    gc.unfreeze()
    gc.collect()
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
