"""The foreground: prepare, start, show, stay, stop. One object for the life of one `manage.py up`.

Guarantee: when `run` returns, no process that was started by it or by anything below it is left, at whatever moment it was
asked to stop. Three things hold that: our guardian stops everything in order; it does so by itself when we die (a pipe);
and we are a subreaper, so what outlives guardian and node comes to us and is ended.
"""

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from typing import Any

from controlplane.embedded.errors import EmbeddedStoreError
from controlplane.foreground.first_link import FirstLink
from controlplane.foreground.followed import Followed
from controlplane.foreground.guardian_process import ROOT, GuardianProcess, guardian_environment
from controlplane.foreground.instance import Instance, PrepareError
from controlplane.foreground.lock import AlreadyRunningError, lock_instance
from controlplane.foreground.progress import Progress
from controlplane.foreground.stop_signals import StopAsked, StopSignals
from controlplane.system_tree import MIGRATE
from supervision.exceptions import SupervisionError
from supervision.runtime import linux
from supervision.runtime.client import ControlClient, ControlError, NodeUnreachableError
from supervision.runtime.observed import Observed
from supervision.runtime.processes import direct_children

NODE_DEADLINE_S = 60.0
"""From the guardian's start to the node's greeting; a node with a long journal replays it first."""
SETTLE_DEADLINE_S = 90.0
"""From apply until every child runs; past it we say who does not, and stay."""
LONG_S = 5.0
"""What takes longer is said."""
LOOK_EVERY_S = 0.1
ORPHAN_GRACE_S = 60.0
"""What a node whose guardian was killed may take to stop everything."""


class GuardianDiedError(Exception):
    """The guardian ended without being asked; the message says how and ends with its last words."""


FORESEEN = (EmbeddedStoreError, PrepareError, AlreadyRunningError, GuardianDiedError, SupervisionError)
"""Errors whose message is for the person at the terminal."""


@dataclass(slots=True)
class Front:
    """See the module's docstring."""

    instance: Instance
    progress: Progress
    signals: StopSignals
    guardian: GuardianProcess | None = None
    client: ControlClient | None = None
    link: FirstLink | None = None
    node_pid: int | None = None

    def run(self) -> int:
        """Until asked to stop: 0 then, 1 when something was wrong."""
        linux.become_subreaper()
        self.signals.install()
        followed = Followed(self.progress)
        status = 1
        try:
            status = self._until_stopped(followed)
        finally:
            self._stop(followed)
            left = self._end_orphans()
            self.instance.clean_up()
            self._say_goodbye(left)
        return status

    def _until_stopped(self, followed: Followed) -> int:
        try:
            with self.signals.interrupting():
                self.instance.paths.prepare()
                lock = lock_instance(self.instance.paths)
                os.set_inheritable(lock, False)  # held until this process ends
                self.instance.paths.prepare_runtime()
                self.instance.prepare(self.progress)
            paths = self.instance.paths
            self.guardian = GuardianProcess(
                paths,
                guardian_environment(
                    os.environ, paths, self.instance.connections, stores=self.instance.connections.origin
                ),
            )
            with self.signals.interrupting():
                self._bring_up(self.guardian, followed)
                status = self.guardian.wait()
                raise GuardianDiedError(self._obituary(self.guardian, status))
        except StopAsked as asked:
            if self.guardian is not None:
                self.progress.say(f"\nStopping ({asked.name}); once more kills what is left")
            return 0
        except ControlError as error:
            where = f" at {error.pointer}" if error.pointer else ""
            self.progress.say(f"overstory: {error.message}{where}")
        except (*FORESEEN, OSError) as error:
            self.progress.say(f"overstory: {error}")
        return 1

    # -- starting ---------------------------------------------------------------------------------------------------

    def _bring_up(self, guardian: GuardianProcess, followed: Followed) -> None:
        self.client = self._connect(guardian)
        observed = self._observe()
        self.node_pid = observed.node.pid
        self.progress.step(f"guardian pid {guardian.pid}, node pid {self.node_pid}")
        self._apply(observed, [self.instance.system_document()])
        self._await_settled(guardian, followed, frozenset({self.instance.system_name}), all_must_run=True)
        self._ask_for_link()
        applied = self._apply(observed, self.instance.example_documents())
        self._remove_examples(observed, keep=applied)
        names = frozenset(tree.name for tree in self._observe().trees)
        self._await_settled(guardian, followed, names)
        self._say_how_to_look(guardian, followed, trees=len(names))

    def _connect(self, guardian: GuardianProcess) -> ControlClient:
        deadline = self.progress.elapsed_s + NODE_DEADLINE_S
        say_so = self.progress.elapsed_s + LONG_S
        while True:
            try:
                return ControlClient(self.instance.paths.control_socket)
            except NodeUnreachableError as error:
                status = guardian.wait(0.02)
                if status is not None:
                    raise GuardianDiedError(self._obituary(guardian, status)) from None
                if self.progress.elapsed_s > say_so:
                    say_so = deadline
                    self.progress.step(f"the node does not answer yet; {guardian.log_file} says what it does")
                if self.progress.elapsed_s > deadline:
                    raise GuardianDiedError(
                        f"the node does not answer: {error}\n{guardian.last_words()}"
                    ) from None

    def _observe(self) -> Observed:
        assert self.client is not None  # set by _connect before anything is asked  # noqa: S101
        return Observed.from_json(self.client.call("tree", timeout_s=NODE_DEADLINE_S))

    def _apply(self, observed: Observed, documents: list[dict[str, Any]]) -> frozenset[str]:
        """Apply ours; a tree of the same name that somebody else applied since is theirs and stays. The names."""
        names = set()
        for document in documents:
            name = str(document["tree"])
            names.add(name)
            tree = observed.tree(name)
            if (
                tree is not None
                and tree.message != self.instance.message
                and name != self.instance.system_name
            ):
                self.progress.step(f"{name}: revision {tree.revision} was applied by hand, left as it is")
                continue
            assert self.client is not None  # noqa: S101
            self.client.call("apply", timeout_s=NODE_DEADLINE_S, spec=document, message=self.instance.message)
        return frozenset(names)

    def _remove_examples(self, observed: Observed, keep: frozenset[str]) -> None:
        """Examples that an earlier start applied and this one does not want."""
        for tree in observed.trees:
            if tree.message == self.instance.message and tree.name not in keep | {self.instance.system_name}:
                assert self.client is not None  # noqa: S101
                self.client.call("delete", timeout_s=NODE_DEADLINE_S, tree=tree.name)
                self.progress.step(f"{tree.name}: removed")

    def _ask_for_link(self) -> None:
        """As soon as the store has its tables: it takes a second or more, while others start."""
        self.link = self.link or FirstLink(self.instance.link_environment())

    def _await_settled(
        self,
        guardian: GuardianProcess,
        followed: Followed,
        trees: frozenset[str],
        *,
        all_must_run: bool = False,
    ) -> None:
        deadline = self.progress.elapsed_s + SETTLE_DEADLINE_S
        migrate = f"{self.instance.system_name}/{MIGRATE}"
        while not followed.starting(self._observe(), trees, all_must_run=all_must_run):
            if followed.has_completed(migrate):
                self._ask_for_link()
            status = guardian.wait(LOOK_EVERY_S)
            if status is not None:
                raise GuardianDiedError(self._obituary(guardian, status))
            if self.progress.elapsed_s > deadline:
                for line in followed.not_ready():
                    self.progress.step(f"not ready: {line}")
                return

    def _say_how_to_look(self, guardian: GuardianProcess, followed: Followed, *, trees: int) -> None:
        paths, say = self.instance.paths, self.progress.say
        running = sum(child.state == "running" for child in followed.seen.values())
        self.progress.step(
            f"running: {running} of {len(followed.seen)} children, in {counted(trees, 'tree')}"
        )
        say()
        say(f"  data    {paths.data_dir}")
        say(f"  log     {guardian.log_file}")
        for name, url in self.instance.urls():
            say(f"  {name:<7} {url}")
        link = self.link.url() if self.link is not None else None
        if link is not None:
            say(f"\nLog in, once, within 10 minutes:\n\n  {link}")
        manage = f"{self.instance.prefix()}python3 manage.py"
        say(f"\nIn a second terminal, in {ROOT}:")
        for command, what in (
            ("tree --watch", "the trees, live"),
            ("logs -f KEY", "what a child writes"),
            ("explain KEY", "why it restarted, or does not run"),
            ("events", "everything that happened"),
            ("login_link", "another link that logs in"),
        ):
            say(f"  {manage} {command:<14} {what}")
        say(f"  {'kill -9 PID':<{len(manage) + 15}} and see it return, with the reason")
        say("\nCtrl-C stops everything.")

    def _obituary(self, guardian: GuardianProcess, status: int | None) -> str:
        how = f"status {status}" if status is None or status >= 0 else signal.Signals(-status).name
        return f"the guardian ended ({how}). The end of {guardian.log_file}:\n{guardian.last_words()}"

    # -- stopping ---------------------------------------------------------------------------------------------------

    def _stop(self, followed: Followed) -> None:
        """Everything in order, then the guardian; each further signal is passed on, and makes it hurry."""
        if self.link is not None:
            self.link.close()
        if self.guardian is None:
            return
        self.guardian.ask_to_stop()
        passed_on = self.signals.count
        while self.guardian.wait(LOOK_EVERY_S) is None:
            if self.signals.count > passed_on:
                passed_on = self.signals.count
                alive = ", ".join(child.key for child in followed.alive())
                self.progress.say(f"killing what is left: {alive or 'the node'}")
                self.guardian.ask_to_stop()
            with contextlib.suppress(ControlError, OSError):
                followed.stopping(self._look_again())

    def _look_again(self) -> Observed:
        """A fresh connection where a signal cut the old one's answer in half."""
        if self.client is not None:
            self.client.close()
        self.client = ControlClient(self.instance.paths.control_socket, connect_timeout_s=LOOK_EVERY_S)
        return Observed.from_json(self.client.call("tree", timeout_s=1.0))

    def _end_orphans(self) -> int:
        """End what came to us; a node whose guardian was killed stops everything itself and gets its time. How many."""
        deadline = self.progress.elapsed_s + ORPHAN_GRACE_S
        killed: set[int] = set()
        while orphans := direct_children(os.getpid()):
            if self.node_pid not in orphans or self.progress.elapsed_s > deadline or self.signals.count > 1:
                for pid in orphans:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    killed.add(pid)
            _reap(orphans, timeout_s=LOOK_EVERY_S)
        return len(killed)

    def _say_goodbye(self, killed: int) -> None:
        if self.guardian is not None:
            ended = f"; killed {killed} that were left" if killed else ""
            self.progress.step(f"everything stopped, no process left{ended}")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _reap(children: list[int], *, timeout_s: float) -> None:
    """Wait until one of our `children` ends, or `timeout_s` passed, and reap every one that did."""
    poll = select.poll()
    descriptors = [os.pidfd_open(pid) for pid in children]
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    poll.poll(timeout_s * 1000)
    for pid, descriptor in zip(children, descriptors, strict=True):
        os.close(descriptor)
        os.waitpid(pid, os.WNOHANG)
