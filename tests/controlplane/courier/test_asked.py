"""A program of a joined node asks the control plane and tells it things, through the real gateway and the real courier."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from supervision.programs.hints import send_hint
from supervision.programs.models import ProgramCursor
from tests.controlplane.courier.joined import WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.engine import child, tree
from tests.support.talker import Talker, talker_argv
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def host(stores: TestStores, transactional_db: None) -> Iterator[tuple[Joined, Talker]]:
    with joined(stores) as engine:
        path = engine.data_dir / "talker"
        engine.apply(tree("t", child("a", talker_argv(path)), intensity=100))
        talker = Talker(path)
        talker.wait()
        yield engine, talker


def told(engine: Joined) -> int:
    """How many events of the node's programs were taken in."""
    cursor = ProgramCursor.objects.filter(node_id=engine.node_id()).first()
    return 0 if cursor is None else cursor.events


def test_what_a_program_asks_and_says_reaches_the_store_whatever_is_killed_between(
    host: tuple[Joined, Talker],
) -> None:
    engine, talker = host

    def answer() -> dict[str, object] | None:
        return talker.ask("attempt(lambda: channel.ask('program.self'))")  # type: ignore[no-any-return]

    found = wait_for(answer, timeout=WAIT_S, what="an answer; " + engine.log()[-2000:])
    assert (found["key"], found["incarnation"]) == ("t/a", 1)
    assert found["node"] == engine.node_id()
    with pytest.raises(AssertionError, match=r"nobody answers .no\.such."):
        talker.ask("channel.ask('no.such')")

    assert talker.ask("[channel.event('test.one', {'n': n}) for n in range(100)] and channel.flush(5)")
    wait_for(lambda: told(engine) == 100, timeout=WAIT_S)
    engine.kill_courier()
    assert talker.ask("[channel.event('test.two', {'n': n}) for n in range(100)] and channel.flush(5)")
    helpers = {helper["name"]: helper["pid"] for helper in engine.call("status")["helpers"]}
    os.kill(helpers["gateway"], signal.SIGKILL)
    assert talker.ask("[channel.event('test.three', {'n': n}) for n in range(100)] and channel.flush(5)")
    engine.kill_node()
    assert talker.ask("[channel.event('test.four', {'n': n}) for n in range(100)] and channel.flush(15)")
    wait_for(lambda: told(engine) >= 400, timeout=WAIT_S, what="all are stored; " + engine.log()[-2000:])
    cursor = ProgramCursor.objects.get(node_id=engine.node_id())
    assert (cursor.events, cursor.unhandled, cursor.failed, cursor.lost) == (400, 400, 0, 0)

    assert talker.ask("hear('registry')")
    wait_for(answer, timeout=WAIT_S, what="the new courier answers; " + engine.log()[-2000:])

    def hint_came() -> bool:
        send_hint("registry", {"look": "here"}, key="t/a")
        send_hint("registry", {"look": "elsewhere"}, key="t/b")
        time.sleep(0.1)
        return ["registry", False, {"look": "here"}] in talker.ask("pushes")

    wait_for(hint_came, timeout=WAIT_S, what="a hint is pushed")
    assert ["registry", False, {"look": "elsewhere"}] not in talker.ask("pushes")
