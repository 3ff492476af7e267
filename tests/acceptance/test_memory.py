"""A memory limit that is real, where this machine gives a node the memory controller of cgroup v2; else refused by name."""

from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.client import ControlError
from tests.support.engine import Engine, child, python, tree

MIB = 1 << 20
TAKES_WITHOUT_END = python(
    "held = []\nwhile True:\n    held.append(bytearray(1 << 20))\n    held[-1][::4096] = b'x' * 256"
)
TAKES_A_LITTLE = python("import time\nheld = b'x' * (8 << 20)\ntime.sleep(1000)")


GREEDY_AGENT = """
from overstory.agent import Agent

class Greedy(Agent):
    def run(self):
        held = []
        while True:
            held.append(bytearray(1 << 20))
            held[-1][::4096] = b"x" * 256
"""


def limited(child_id: str, command: list[str], bound: str) -> dict[str, Any]:
    return child(child_id, command, restart="temporary", process={"limits": {"memory_max": bound}})


def refused_here(engine: Engine, document: dict[str, Any]) -> bool:
    """Whether this machine has no memory controller to give; then that is said before anything runs."""
    findings = engine.call("plan", spec=document)["findings"]
    refused = [found for found in findings if found["severity"] == "error"]
    if not refused:
        return False
    assert all("memory" in found["message"] for found in refused)
    with pytest.raises(ControlError, match="memory"):
        engine.apply(document)
    return True


def test_an_agent_out_of_a_template_is_held_to_its_memory_limit_or_refused_like_any_other(
    tmp_path: Path,
) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY_AGENT)
    with Engine() as engine:
        section = {
            "entry_point": "greedy:Greedy",
            "cwd": str(tmp_path),
            "limits": {"memory_max": "64MiB"},
            "start": "template",
        }
        document = tree("t", {"id": "greedy", "restart": "temporary", "agent": section})
        if refused_here(engine, document):
            return
        engine.apply(document)
        assert engine.wait_state("t/greedy", "failed")["last_exit"]["reason"] == "oom"


def test_a_child_over_its_memory_limit_ends_with_the_reason_oom_and_one_below_runs_on() -> None:
    with Engine() as engine:
        document = tree(
            "t", limited("greedy", TAKES_WITHOUT_END, "64MiB"), limited("modest", TAKES_A_LITTLE, "64MiB")
        )
        if refused_here(engine, document):
            return
        engine.apply(document)
        ended = engine.wait_state("t/greedy", "failed")
        assert ended["last_exit"]["reason"] == "oom"
        assert engine.wait_state("t/modest", "running")["pid"]
