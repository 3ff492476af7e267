"""What the node tells the gateway of lives that ended: at once, and of many near each other together."""

from types import SimpleNamespace
from typing import Any

from supervision.runtime.clock import ManualClock
from supervision.runtime.loop import Loop
from supervision.runtime.node_gateway import TELL_EVERY_S, NodeGateway


class Told:
    """A gateway helper that only listens."""

    def __init__(self) -> None:
        self.lives: list[list[tuple[str, int]]] = []

    def send(self, op: str, **body: Any) -> None:
        assert op == "ended"
        self.lives.append(body["lives"])


class Stage:
    """The node's end, and a clock moved by hand."""

    def __init__(self) -> None:
        self.clock, self.told = ManualClock(), Told()
        self.loop = Loop(self.clock)
        node: Any = SimpleNamespace(
            clock=self.clock, loop=self.loop, trees=SimpleNamespace(runner_of=lambda key: None)
        )
        self.gateway = NodeGateway(node)
        self.gateway.helper = self.told  # type: ignore[assignment]  # a stand-in
        self.clock.jump(1.0)

    def end(self, key: str, *, after_s: float = 0.0) -> None:
        self.clock.jump(after_s)
        self.gateway.ended(key, 1)
        self.loop.run_once(at_most=0)


def test_a_life_that_ends_on_its_own_is_told_at_once() -> None:
    stage = Stage()
    stage.end("t/a")
    stage.end("t/b", after_s=TELL_EVERY_S)
    assert stage.told.lives == [[("t/a", 1)], [("t/b", 1)]]
    stage.loop.close()


def test_lives_that_end_near_each_other_are_told_together() -> None:
    stage = Stage()
    for key in ("t/a", "t/b", "t/c"):
        stage.end(key, after_s=TELL_EVERY_S / 4)
    assert stage.told.lives == [[("t/a", 1)]]
    stage.clock.jump(TELL_EVERY_S / 2)
    stage.loop.run_once(at_most=0)
    assert stage.told.lives == [[("t/a", 1)], [("t/b", 1), ("t/c", 1)]]
    stage.loop.close()
