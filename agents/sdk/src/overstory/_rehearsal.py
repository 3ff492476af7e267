"""Lives of an agent that does nothing, lived in a template before it forks.

What an interpreter learns on the way (specialised bytecode, caches, first-time imports) is written into memory. Learnt
before the fork it is shared; learnt after it, each agent learns it again and pays for pages of its own. Measured: a third of
the time from the fork to an agent's `init`.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from ._context import AgentContext
from ._life import Life
from .agent import Agent
from .channel import Channel


class Rehearsal(Agent):
    """An agent that is at its end at once."""

    async def init(self, arguments: Mapping[str, Any]) -> None:
        """As little as can be."""

    async def run(self) -> None:
        """As little as can be."""


def rehearse(rounds: int) -> None:
    """Leaves no descriptor, thread or event loop behind; says nothing to anybody, for a template has no supervisor's socket
    in its environment."""
    for _ in range(rounds):
        agent = Rehearsal(AgentContext.of({}), Channel(""))
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(Life(agent).run_async())
        agent._stopping.close()
