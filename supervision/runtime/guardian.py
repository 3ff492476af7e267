"""The guardian: one small process per host that keeps the node alive and lets nothing escape.

Guarantee: it is the subreaper of everything below it; it restarts a node that died, stopped or spins; it records the exit
of every orphan before reaping it, so that the next node knows how each child ended; it holds the sockets that must outlive
a node; when it stops, no process of its own remains. Single thread, standard library only, no policy about children: that
is the kernel's, in the node. RUNTIME "Guardian" has the measurements.

Limits: guardian and node dead together leave the children running, and the next guardian's node adopts them; what ended in
between is `lost`.
"""

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import sys
from pathlib import Path

from supervision.exceptions import SupervisionError
from supervision.runtime import boot, linux
from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.clock import SystemClock
from supervision.runtime.exits import ExitsFile, wait_status
from supervision.runtime.guardian_fence import GuardianFence
from supervision.runtime.guardian_state import (
    AlreadyRunningError,
    GuardianState,
    bind_agent_socket,
    exec_guardian,
    follow,
    fresh_state,
    take_lock,
)
from supervision.runtime.identity import read_stat
from supervision.runtime.link import Link, Message
from supervision.runtime.log import Log
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.node_process import STORED_PIDFD, NodeStart, exec_node, fork_node, serve
from supervision.runtime.options import Options
from supervision.runtime.paths import COURIER_SOCKET, LEASE_FILE, PROTOCOL, SAMPLER_SOCKET, Paths
from supervision.runtime.processes import direct_children
from supervision.runtime.silence import Silence, processor_of

BEAT_LIMIT_S = 2.0
"""A node silent for longer is killed and replaced; it beats every 0.5 s. Waiting for a processor is no silence."""
FIRST_BEAT_LIMIT_S = 60.0
"""A node that replays and adopts does not beat yet."""
CHECK_EVERY_S = 0.5
"""How often a node that does not beat is looked at; one that beats wakes us often enough by that."""
BEAT_SLACK_S = 0.25
QUICK_DEATH_S = 5.0
"""A node that lived for less counts towards the respawn delay."""
MAX_RESPAWN_DELAY_S = 5.0
HANDED_MOST = 2000
"""Pidfds for a node: their names have to fit into one variable of an exec, and it needs descriptors for other things."""
SWEEP_LIMIT_S = 10.0
LOCK_TEXT_BYTES = 40
UNUSABLE_SETTINGS = 2
"""Exit status of a node that cannot read node.toml."""


class Guardian:
    """See the module's docstring. `run()` returns the exit status once nothing of ours is left."""

    def __init__(self, paths: Paths, state: GuardianState, log: Log) -> None:
        self.paths = paths
        self.state = state
        self.fds = state.fds
        self.log = log
        self.clock = SystemClock()
        self.loop = Loop(self.clock)
        self.exits = ExitsFile(str(paths.exits_dir))
        self.fence = GuardianFence(self.loop, self.clock, log)
        self.cgroup: NodeCgroup | None = None
        self.link: Link | None = None
        self.node_pid = state.node_pid
        self.node_started = self.clock.boot()
        self.silence = Silence(self.node_started)
        self._check: Timer | None = None
        self.node_ready = self.ever_ready = False
        self.code_is_old = False
        self.exit_status = 0
        self.quick_deaths = 0
        self.stopping = False
        self.stop_signals = 0
        self.finished = False

    # -- life -------------------------------------------------------------------------------------------------------

    def clean_up(self) -> int:
        """For a node that stopped everything after its guardian died: what the guardian would have done at the end."""
        self.loop.on_signal(signal.SIGCHLD, callback=lambda _: self._reap())
        self._enter_cgroup()
        return self._leave()

    def _enter_cgroup(self) -> None:
        self.cgroup = NodeCgroup.open(self.paths.instance_id)
        if self.cgroup is not None:
            self.cgroup.enter_guardian()

    def run(self) -> int:
        self._write_runtime_json()
        self._enter_cgroup()
        self.loop.on_signal(signal.SIGCHLD, callback=lambda _: self._reap())
        self.loop.on_signal(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, callback=self._on_stop_signal)
        self.loop.on_signal(signal.SIGUSR2, callback=lambda _: self._reexec(["node", "guardian"]))
        lifeline = self.fds.get("lifeline")
        if lifeline is not None:
            self.loop.watch(lifeline, self._on_lifeline)
        if self.node_pid is None:
            self._spawn_node()
        else:
            self._attach_link(Link(socket.socket(fileno=self.fds["link"])))
            self.node_ready = self.ever_ready = True
        self._reap()
        self._check_in(CHECK_EVERY_S)
        gc.collect()
        linux.trim_heap()
        gc.freeze()
        while not self.finished:
            self.loop.run_once()
        return self._leave()

    def _write_runtime_json(self) -> None:
        body = {
            "protocol": PROTOCOL,
            "runtime_dir": str(self.paths.runtime_dir),
            "guardian_pid": os.getpid(),
            "on_guardian_death": self.state.on_death,
        }
        _replace(self.paths.runtime_json, json.dumps(body))
        with contextlib.suppress(OSError):  # for people only
            os.pwrite(self.fds["lock"], f"guardian pid {os.getpid()}\n".ljust(LOCK_TEXT_BYTES).encode(), 0)

    def _leave(self) -> int:
        """End every process that still descends from us, then our files."""
        left = self._sweep()
        if self.cgroup is not None:
            if self.cgroup.members():
                self.cgroup.kill()
                self._sweep()
            self.cgroup.remove()
            self.cgroup.leave_guardian()
        paths = self.paths
        for path in (paths.control_socket, paths.notify_socket, paths.agent_socket, paths.runtime_json):
            path.unlink(missing_ok=True)
        for name in (SAMPLER_SOCKET, COURIER_SOCKET, LEASE_FILE):
            (self.paths.runtime_dir / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.paths.runtime_dir.rmdir()
        self.log.say("guardian stopped", killed_at_the_end=left)
        return self.exit_status

    def _sweep(self) -> int:
        """Kill and reap direct children until none remain; each kill brings up the next generation. How many."""
        killed: set[int] = set()
        deadline = self.clock.boot() + SWEEP_LIMIT_S
        while self.clock.boot() < deadline:
            self._reap()
            children = direct_children(os.getpid())
            if not children:
                break
            for pid in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            self.loop.run_once(at_most=0.02)  # until SIGCHLD
        return len(killed)

    # -- the node ---------------------------------------------------------------------------------------------------

    def _spawn_node(self) -> None:
        link, theirs = Link.pair()
        handed = {name: fd for name, fd in self.fds.items() if name not in ("lifeline", "link")}
        handed["link"] = theirs.fileno()
        living = self._living()
        handed |= living
        start = NodeStart(
            self.paths.data_dir, handed, self.state.on_death, self.state.log_file, os.getpid(), self.stopping
        )

        def let_go() -> None:
            theirs.detach()
            link.close()
            self.loop.close()
            self.exits.close()
            if "lifeline" in self.fds:
                os.close(self.fds["lifeline"])

        lacking = boot.missing() if self.code_is_old else ""
        if lacking:
            self.log.say("the next node runs the code that we have loaded", why=lacking)
        if self.code_is_old and not lacking:
            self.node_pid = exec_node(start)
        else:
            self.node_pid = fork_node(start, let_go)
        theirs.close()
        for pidfd in living.values():
            os.close(pidfd)
        self.node_started = self.clock.boot()
        self.silence = Silence(self.node_started)
        self.node_ready = False
        self._attach_link(link)
        self.log.say("node started", pid=self.node_pid)

    def _living(self) -> dict[str, int]:
        """A pidfd of each process that is ours to reap, by the name that the node looks for: how that ends is known through
        it also when we die before the node that begins now has found the process. Nobody writes it down then."""
        pidfds: dict[str, int] = {}
        limits = linux.raise_nofile()
        most = HANDED_MOST if limits[1] == resource.RLIM_INFINITY else min(HANDED_MOST, limits[1] // 2)
        with contextlib.suppress(OSError):  # of those that get none the end is known as long as we live
            for pid in direct_children(os.getpid())[:most]:
                pidfds[f"{STORED_PIDFD}{pid}"] = os.pidfd_open(pid)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        return pidfds

    def _attach_link(self, link: Link) -> None:
        self.link = link
        self.fds["link"] = link.fileno()
        self.loop.watch(link.fileno(), self._on_link)

    def _detach_link(self) -> None:
        if self.link is not None:
            self.loop.unwatch(self.link.fileno())
            self.link.close()
            self.link = None
            self.fds.pop("link", None)

    def _node_died(self, status: int) -> None:
        lived = self.clock.boot() - self.node_started
        self._detach_link_after_reading()
        self.node_pid = None
        if self.stopping and status == 0:
            self.finished = True
            return
        if not self.ever_ready and os.waitstatus_to_exitcode(status) == UNUSABLE_SETTINGS:
            self.finished = True  # it said why; another node would say the same
            self.exit_status = 1
            return
        self.log.say("node died", status=status, lived_s=round(lived, 3))
        self.quick_deaths = self.quick_deaths + 1 if lived < QUICK_DEATH_S else 0
        if self.stopping and self.quick_deaths >= 3:
            self.log.say("no node lives long enough to stop its trees in order: all are killed")
            self.finished = True
            return
        delay = (
            0.0 if self.quick_deaths < 3 else min(0.05 * 2 ** (self.quick_deaths - 3), MAX_RESPAWN_DELAY_S)
        )
        if delay:
            self.loop.call_later(delay, self._respawn)
        else:
            self._respawn()

    def _respawn(self) -> None:
        if self.node_pid is None and not self.finished:
            self._spawn_node()
            if self.stopping:
                self._ask_to_stop()

    def _detach_link_after_reading(self) -> None:
        """A node's last words (stored sockets) count, although it is dead."""
        if self.link is not None:
            for message in self.link.receive() or []:
                self._handle(message)
        self._detach_link()

    def _check_in(self, seconds: float) -> None:
        if self._check is not None:
            self._check.cancel()
        self._check = self.loop.call_later(seconds, self._check_node)

    def _check_node(self) -> None:
        """Kill a node that no longer beats. Our own lateness (we were stopped, the machine slept) is not its fault."""
        now = self.clock.boot()
        late = now - self._check.when if self._check is not None else 0.0
        self._check_in(CHECK_EVERY_S)
        if self.link is None or self.node_pid is None:
            return
        if late > CHECK_EVERY_S:
            self.silence.beat(now)
        self._on_link()
        limit = BEAT_LIMIT_S if self.node_ready else FIRST_BEAT_LIMIT_S
        if self.node_pid is None:
            return
        silent_s = self.silence.look(now, processor_of(self.node_pid))
        if silent_s > limit:
            self._kill_node(f"silent for {silent_s:.1f} s")

    def _kill_node(self, why: str) -> None:
        self.log.say("node killed", pid=self.node_pid, why=why)
        if self.node_pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.node_pid, signal.SIGKILL)

    # -- messages ---------------------------------------------------------------------------------------------------

    def _on_link(self) -> None:
        if self.link is None:
            return
        messages = self.link.receive()
        if messages is None:
            self.loop.unwatch(self.link.fileno())  # the node's death follows as SIGCHLD
            return
        for message in messages:
            self._handle(message)

    def _handle(self, message: Message) -> None:
        self.silence.beat(self.clock.boot())
        if message.op == "beat":
            self._check_in(CHECK_EVERY_S + BEAT_SLACK_S)
        elif message.op == "hello":
            self.node_ready = self.ever_ready = True
            if self.stopping:
                self._ask_to_stop()
        elif message.op == "store_fd":
            self._store(str(message.body.get("name")), message.fds)
        elif message.op == "drop_fd":
            fd = self.fds.pop("store:" + str(message.body.get("name")), None)
            if fd is not None:
                os.close(fd)
        elif message.op == "fence":
            self.fence.told(message.body)
        elif message.op == "stop":
            self._stop(str(message.body.get("why", "asked by the node")))
        elif message.op == "reexec":
            self._reexec([str(what) for what in message.body.get("what", [])])

    def _store(self, name: str, fds: tuple[int, ...]) -> None:
        for fd in fds[1:]:
            os.close(fd)
        if fds:
            old = self.fds.pop("store:" + name, None)
            if old is not None:
                os.close(old)
            os.set_inheritable(fds[0], False)
            self.fds["store:" + name] = fds[0]

    def _reexec(self, what: list[str]) -> None:
        """Upgrade in place: the node execs itself on our word, we exec ourselves; no child notices. An exec that cannot be
        done would be our end: then it is refused, and all goes on with the code that runs."""
        lacking = boot.missing()
        if lacking:
            self.log.say("upgrade refused", why=lacking)
            return
        if "node" in what and self.link is not None:
            self.code_is_old = True  # the next node must not be a fork of what we have loaded
            self.link.send("reexec")
        if "guardian" in what:
            self.state.node_pid = self.node_pid
            self.log.say("guardian execs itself")
            exec_guardian(self.paths, self.state)

    # -- deaths and stops -------------------------------------------------------------------------------------------

    def _reap(self) -> None:
        """Record, then reap, every ended child; tell the node once."""
        recorded = False
        while True:
            try:
                seen = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if seen is None:
                break
            pid = seen.si_pid
            if pid == self.node_pid:
                status = os.waitpid(pid, 0)[1]
                self._node_died(status)
                continue
            stat = read_stat(pid)
            try:
                self.exits.append(pid, stat.start_time if stat is not None else 0, wait_status(seen))
            except OSError as error:  # a full disk: the node may still read the status from its pidfd
                self.log.say("exit not recorded", pid=pid, why=str(error))
            os.waitpid(pid, 0)
            recorded = True
        if recorded and self.link is not None:
            self.link.send("exits")
        self._notice_stopped_node()

    def _notice_stopped_node(self) -> None:
        if self.node_pid is None:
            return
        with contextlib.suppress(ChildProcessError):
            if os.waitid(os.P_PID, self.node_pid, os.WSTOPPED | os.WNOHANG) is not None:
                self._kill_node("stopped by a signal")

    def _on_stop_signal(self, number: int) -> None:
        self.stop_signals += 1
        if self.stop_signals >= 3:
            self._kill_node("asked to stop a third time")
            self.finished = True
            return
        self._stop(signal.Signals(number).name, hard=self.stop_signals == 2)

    def _on_lifeline(self) -> None:
        self.loop.unwatch(self.fds["lifeline"])
        os.close(self.fds.pop("lifeline"))
        self._stop("the process that started us is gone")

    def _stop(self, why: str, *, hard: bool = False) -> None:
        if not self.stopping:
            self.log.say("guardian stops", why=why)
        self.stopping = True
        if self.node_pid is None:
            self.finished = True
        else:
            self._ask_to_stop(hard=hard)

    def _ask_to_stop(self, *, hard: bool = False) -> None:
        if self.link is not None:
            self.link.send("stop", hard=hard)


def _replace(path: Path, text: str) -> None:
    """Whole, for a reader; on a full disk in the blocks that the old one had: a promotion must not fail for want of one."""
    temporary = path.with_suffix(".new")
    try:
        temporary.write_text(text)
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(fd, text.ljust(os.fstat(fd).st_size).encode(), 0)
        finally:
            os.close(fd)


def main(argv: list[str]) -> int:
    """`boot.py guardian [--data-dir DIR] [--on-guardian-death promote|stop] [--if-running fail|follow] [--lifeline-fd N]
    [--log-file FILE]`.

    `--lifeline-fd`: stop everything when that descriptor's other end closes. 0 when stopped, 1 when the data directory is
    in use or something in it unusable, 2 for bad options.
    """
    options = Options(
        argv, "--data-dir", "--on-guardian-death", "--if-running", "--lifeline-fd", "--log-file"
    )
    policy = options.get("--on-guardian-death", "promote")
    if_running = options.get("--if-running", "fail")
    if options.problem or policy not in ("promote", "stop") or if_running not in ("fail", "follow"):
        sys.stderr.write(f"guardian: {options.problem or 'promote or stop, fail or follow'}\n")
        return 2
    paths = Paths.from_environment(options.get("--data-dir", None))
    os.umask(0o077)
    linux.set_comm("overstory-guard")
    linux.become_subreaper()
    state = GuardianState.from_environment()
    if state is None:
        try:
            paths.prepare()
            lock = take_lock(paths) if if_running == "fail" else follow(paths, options)
            if lock is None:
                return 0
            paths.prepare_runtime()
            state = fresh_state(paths, policy, lock, options)
        except (AlreadyRunningError, SupervisionError, OSError, ValueError) as error:
            sys.stderr.write(f"guardian: {error}\n")
            return 1
    if "agent" not in state.fds:  # upgraded from a guardian that knew of no gateway
        state.fds["agent"] = bind_agent_socket(paths)
    for fd in state.fds.values():
        os.set_inheritable(fd, False)
    return serve(Guardian(paths, state, Log(state.log_file, "guardian")).run)
