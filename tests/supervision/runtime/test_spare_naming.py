"""When spare files get their names: behind the starts that are near each other, and beside nothing that is urgent."""

from pathlib import Path

import pytest

from supervision.runtime.clock import ManualClock
from supervision.runtime.loop import Loop
from supervision.runtime.spare_files import SpareFiles, make_pairs
from supervision.runtime.spare_naming import (
    PAUSE_S,
    SETTLE_AT_LATEST_S,
    SETTLE_S,
    SETTLED_AT_ONCE,
    SpareNaming,
)


class Scene:
    """A node's naming, a clock moved by hand, and a directory of output."""

    def __init__(self, directory: Path) -> None:
        make_pairs(str(directory))
        (directory / "t").mkdir()
        self.directory = directory / "t"
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.ended = 0
        spares = SpareFiles(str(directory))
        spares.refresh()
        self.naming = SpareNaming(spares, self.loop, self.clock, self._end)

    def _end(self) -> None:
        self.ended += 1

    def start(self, count: int) -> None:
        for number in range(count):
            out, err = (str(self.directory / f"{number}.{which}") for which in ("out", "err"))
            assert self.naming.take("t", number, out, err) is not None
            self.naming.taken()

    def turn(self, after_s: float, *, rounds: int = 1) -> None:
        """Let time pass, and the loop turn for others as well."""
        for _ in range(rounds - 1):
            self.loop.run_once(at_most=0.0)
        self.clock.jump(after_s)
        self.loop.run_once(at_most=0.0)

    @property
    def named(self) -> int:
        return sum(path.suffix == ".out" for path in self.directory.iterdir())


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_one_start_is_named_a_moment_later_whatever_else_goes_on(scene: Scene) -> None:
    scene.start(1)
    scene.turn(SETTLE_S / 2, rounds=50)
    assert scene.named == 0
    scene.turn(SETTLE_S / 2, rounds=50)
    assert (scene.named, scene.ended) == (1, 1)


def test_many_are_named_in_pieces_while_the_loop_has_little_else_to_do(scene: Scene) -> None:
    scene.start(2 * SETTLED_AT_ONCE)
    scene.turn(SETTLE_S)
    assert scene.named == SETTLED_AT_ONCE
    scene.turn(PAUSE_S)
    assert (scene.named, scene.ended) == (2 * SETTLED_AT_ONCE, 1)


def test_many_wait_while_the_loop_turns_for_others(scene: Scene) -> None:
    scene.start(2 * SETTLED_AT_ONCE)
    scene.turn(SETTLE_S, rounds=50)
    scene.turn(SETTLE_S, rounds=50)
    assert scene.named == 0
    scene.turn(SETTLE_S)
    assert scene.named == SETTLED_AT_ONCE


def test_nothing_puts_them_off_for_ever(scene: Scene) -> None:
    scene.start(2 * SETTLED_AT_ONCE)
    scene.turn(SETTLE_AT_LATEST_S, rounds=50)
    scene.turn(PAUSE_S, rounds=50)
    assert (scene.named, scene.ended) == (2 * SETTLED_AT_ONCE, 1)
