"""tests/scenarios/kernel_*.txt, each a story in commands and what follows; see scenario.py for how to read one."""

import os
from pathlib import Path

import pytest

from tests.supervision.kernel.scenario import Scenario, read, write

DIRECTORY = Path(__file__).parents[2] / "scenarios"
FILES = sorted(DIRECTORY.glob("kernel_*.txt"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_story_goes_as_it_is_written(file: Path) -> None:
    blocks = read(file.read_text(encoding="utf-8"))
    scenario = Scenario()
    got = [(block, scenario.run(block)) for block in blocks]
    if os.environ.get("REWRITE_SCENARIOS"):
        for block, lines in got:
            block.expected = lines
        file.write_text(write(blocks), encoding="utf-8")
    for block, lines in got:
        assert lines == block.expected, block.command[0]
