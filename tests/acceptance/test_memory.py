"""A memory limit that is real, where this machine gives a node the memory controller of cgroup v2; else refused by name."""

from typing import Any

import pytest

from supervision.runtime.client import ControlError
from tests.support.engine import Engine, child, python, tree

MIB = 1 << 20
TAKES_WITHOUT_END = python(
    "held = []\nwhile True:\n    held.append(bytearray(1 << 20))\n    held[-1][::4096] = b'x' * 256"
)
TAKES_A_LITTLE = python("import time\nheld = b'x' * (8 << 20)\ntime.sleep(1000)")


def limited(child_id: str, command: list[str], bound: str) -> dict[str, Any]:
    return child(child_id, command, restart="temporary", process={"limits": {"memory_max": bound}})


def test_a_child_over_its_memory_limit_ends_with_the_reason_oom_and_one_below_runs_on() -> None:
    with Engine() as engine:
        document = tree(
            "t", limited("greedy", TAKES_WITHOUT_END, "64MiB"), limited("modest", TAKES_A_LITTLE, "64MiB")
        )
        refused = [
            found for found in engine.call("plan", spec=document)["findings"] if found["severity"] == "error"
        ]
        if refused:  # this machine has no memory controller to give: it is said before anything runs
            assert all("memory" in found["message"] for found in refused)
            with pytest.raises(ControlError, match="memory"):
                engine.apply(document)
            return
        engine.apply(document)
        ended = engine.wait_state("t/greedy", "failed")
        assert ended["last_exit"]["reason"] == "oom"
        assert engine.wait_state("t/modest", "running")["pid"]
