"""An agent: a long-running program with an identity, a configuration, and a life that its supervisor watches.

    class Trader(Agent):
        async def init(self, arguments):
            self.venue = arguments["venue"]

        async def run(self):
            while not self.stopping:
                await self.trade_once()

The node runs an agent of a tree with `run_agent(Trader, context)`; `run_agent(Trader)` runs the same class by hand. Each
method may be a coroutine or a plain function. In order: `init(arguments)`, READY, `run()`, `terminate(reason)`.

Asked to stop (SIGTERM), `stopping` is True from then on. A coroutine `run` is cancelled `grace_s` later; a plain one looks
at `stopping` or waits with `wait_stopping`, until the supervisor's own deadline.

Signs of life, where the tree asks for them (`heartbeat`), come by themselves from the loop of an agent with coroutines; a
plain one gives them with `alive`, and while it is in `wait_stopping`.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import checkpoints, notify
from ._context import AgentContext, CheckpointPolicy
from ._life import Life
from ._stopping import Stopping
from .channel import Channel, Push, default
from .children import OwnChild, OwnChildren, Policy, argv_of

__all__ = ["Agent", "AgentContext", "CheckpointPolicy", "run_agent", "run_agent_async"]

Calling = Callable[[Callable[[], Any], Callable[[BaseException | None], None]], Any]
"""Has a function called where the agent's own methods are called, and then the other with what it raised, or None."""


class Agent:
    """Derive from this. Every method of the first part may be left out but `run`."""

    schema_version = 1
    """Of what `checkpoint` keeps; a state of an older one goes through `migrate`."""
    grace_s = 0.0
    """How long a coroutine `run` may go on after it was asked to stop, before it is cancelled."""

    def __init__(self, context: AgentContext, channel: Channel) -> None:
        self.context = context
        self.channel = channel
        self.key = context.key
        self.incarnation = context.incarnation
        self._stopping = Stopping()
        self._own_children: OwnChildren | None = None
        self._configured: tuple[Any, Any] = (dict(context.arguments), context.revision)

    # -- what a program overrides -----------------------------------------------------------------------------------

    def init(self, arguments: Mapping[str, Any]) -> Any:
        """Get ready. What it raises is a start that failed."""

    def run(self) -> Any:
        """Do the work until `stopping`; returning ends the agent normally."""
        raise NotImplementedError(f"{type(self).__name__} has no run()")

    def handle_config(self, arguments: Mapping[str, Any]) -> Any:
        """Take other arguments while running (`on_change: deliver`). In the loop of an agent with coroutines; for a plain
        one in another thread than `run`. What it raises ends the agent, whose next life begins with these arguments: none
        goes on with half of a configuration."""

    def terminate(self, reason: str) -> Any:
        """Clean up: `normal` after `run` returned, `shutdown` when asked to stop, `exception(TYPE)` when it raised."""

    def migrate(self, state: Any, schema: int) -> Any:
        """A state that was kept under the older `schema`, as this program wants it."""
        return state

    # -- what a program uses ----------------------------------------------------------------------------------------

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set

    def stop(self) -> None:
        """Ask this agent to stop, as the supervisor does."""
        self._stopping.set()

    def wait_stopping(self, timeout_s: float) -> bool:
        """Wait, at most so long, for being asked to stop; whether it was. Gives the signs of life meanwhile."""
        until = time.monotonic() + timeout_s
        while True:
            self.alive()
            left = until - time.monotonic()
            step = left if self.context.heartbeat_s is None else min(left, self.context.heartbeat_s / 3)
            if self._stopping.wait(step) or step >= left:
                return self.stopping

    def checkpoint(self, state: Any) -> int | None:
        """Keep `state` for the next life; its version once it is on disk, None outside Overstory. Raises what
        checkpoints.save does. It waits for the disk: a coroutine uses `checkpoint_async`."""
        return checkpoints.save(self.channel, state, schema=self.schema_version)

    def restore(self) -> Any:
        """The newest whole state of this agent's lives, brought to `schema_version` by `migrate`; None without one.
        Raises what checkpoints.restore does."""
        found = checkpoints.restore(self.channel, schema=self.schema_version, migrate=self.migrate)
        return None if found is None else found.state

    async def checkpoint_async(self, state: Any) -> int | None:
        """As `checkpoint`, while the loop goes on."""
        import asyncio

        return await asyncio.to_thread(self.checkpoint, state)

    async def restore_async(self) -> Any:
        """As `restore`, while the loop goes on."""
        import asyncio

        return await asyncio.to_thread(self.restore)

    def spawn_child(
        self,
        name: str,
        program: Sequence[str] | str | Callable[[], Any],
        *,
        arguments: Sequence[str] = (),
        when_agent_dies: Policy = "stop",
        environment: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> OwnChild:
        """Start a process: a command, or a function (`package.module:function`, or itself) in an interpreter of its own,
        which finds `arguments` in sys.argv. See overstory.children for the policies. Its output goes where ours does.

        Raises ChildExists while one of that name lives, ValueError, OSError, and what `children` does.
        """
        argv = argv_of(program, arguments)
        return self._own().spawn(name, argv, policy=when_agent_dies, environment=environment, cwd=cwd)

    def children(self) -> dict[str, OwnChild]:
        """The living processes of this agent by name, with those that earlier lives started with `adopt`. The first call
        asks the node for those: Unavailable where it does not answer."""
        return self._own().living()

    def alive(self) -> bool:
        """A sign of life, for a plain agent; False where none is asked for."""
        return self.context.heartbeat_s is not None and notify.alive()

    def gauges(self, **values: float) -> bool:
        """How much there is of something now: `self.gauges(queue_length=12)`; the newest value of each name counts."""
        return self.channel.gauges(values)

    def count(self, **more: float) -> bool:
        """How much more of something happened: `self.count(orders=1)`; each name counts from zero in each life."""
        return self.channel.count(more)

    def status(self, text: str) -> bool:
        """One line for people, shown beside the agent."""
        return notify.status(text)

    def _own(self) -> OwnChildren:
        if self._own_children is None:
            self._own_children = OwnChildren(self.channel, may_have_older=self.incarnation > 1)
        return self._own_children

    # -- for _life --------------------------------------------------------------------------------------------------

    def listen(self, call: Calling) -> None:
        """Have what the node pushes handled by `call`. An agent that takes no other arguments does without the connection
        and its threads until it says something itself."""
        if type(self).handle_config is Agent.handle_config:
            return

        def heard(push: Push) -> None:
            arguments = push.body.get("arguments")
            revision = push.body.get("revision")
            if isinstance(arguments, dict) and (arguments, revision) != self._configured:
                self._configured = (arguments, revision)
                call(
                    lambda: self.handle_config(arguments),
                    lambda error: self._tell_configured(revision, error),
                )

        self.channel.subscribe("config", heard)

    def _tell_configured(self, revision: Any, error: BaseException | None) -> None:
        problem = "" if error is None else f"{type(error).__name__}: {error}"[:500]
        told = {"revision": revision if isinstance(revision, int) else None, "problem": problem}
        self.channel.keep_saying("configured", "configured", told)


def run_agent(agent_class: type[Agent], context: Mapping[str, Any] | None = None) -> int:
    """Run one agent in this process, in its main thread, until it ends; the exit status.

    `context`: what the node told about it, with the fields of AgentContext; who it is stands in the environment.
    """
    return Life(agent_class(AgentContext.of(context), default())).run()


async def run_agent_async(agent_class: type[Agent], context: Mapping[str, Any] | None = None) -> int:
    """As `run_agent`, inside a loop that runs already: a template's spare has one."""
    return await Life(agent_class(AgentContext.of(context), default())).run_async()
