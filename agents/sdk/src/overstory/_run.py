"""Runs an agent class as the main program: `python .../overstory/_run.py package.module:Class`; or a function: `--call`.

The node runs this file by its path, from its own copy of this package. What the agent's own environment has of the package
comes first; this copy's directory stands at the end of the path of modules, for an environment that has none.
"""

import importlib
import inspect
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

CALL = "--call"
"""Before `package.module:function`: a function instead of an agent."""
SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def settle_path() -> None:
    """Find modules as `python -m` does: in the working directory first, and never in the directory of this file."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if place != own]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())
    if SOURCE not in sys.path:
        sys.path.append(SOURCE)


def load(entry_point: str) -> Any:
    """The class that `package.module:Class` names. ImportError, AttributeError."""
    module, _, path = entry_point.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def context(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the node told the agent about itself, out of the variables of its environment."""
    told: dict[str, Any] = json.loads(environ.get("OVERSTORY_AGENT", "{}"))
    return {
        **told,
        "arguments": json.loads(environ.get("OVERSTORY_AGENT_ARGUMENTS", "{}")),
        "metadata": json.loads(environ.get("OVERSTORY_AGENT_METADATA", "{}")),
    }


def run(entry_point: str, loop: Any = None) -> int:
    """Run the agent until it ends; its exit status. `loop`: an event loop that a spare has already."""
    agent, told = load(entry_point), context(os.environ)
    if loop is None or not has_coroutines(agent):
        if loop is not None:
            loop.close()
        status = load("overstory.agent:run_agent")(agent, told)
    else:
        import asyncio

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            status = runner.run(load("overstory.agent:run_agent_async")(agent, told))
    return status if isinstance(status, int) else 0


def has_coroutines(agent: Any) -> bool:
    """Whether it runs in an event loop."""
    names = ("init", "run", "handle_config", "terminate")
    return any(inspect.iscoroutinefunction(getattr(agent, name, None)) for name in names)


def call(function: str) -> int:
    """Call the function that `package.module:function` names, in a process that an agent started for it; the exit status."""
    status = load(function)()
    return status if isinstance(status, int) else 0


if __name__ == "__main__":
    settle_path()
    calls = sys.argv[1] == CALL
    sys.argv = sys.argv[1 + calls :]
    sys.exit(call(sys.argv[0]) if calls else run(sys.argv[0]))
