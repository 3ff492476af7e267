"""The channel against a gateway whose faults a test chooses: nothing lost, nothing twice, nobody waits for ever."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from overstory import _connection, _conversation, _outbox
from overstory.channel import Channel, Push
from overstory.errors import NotSupervised, Refused, Unavailable

from tests.support.fake_gateway import FakeGateway


def until(probe: Callable[[], Any], *, timeout_s: float = 10.0) -> Any:
    end = time.monotonic() + timeout_s
    while not (value := probe()):
        assert time.monotonic() < end, "not in time"
        time.sleep(0.005)
    return value


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[FakeGateway]:
    made = FakeGateway(tmp_path / "agent")
    yield made
    made.close()


@pytest.fixture
def channel(gateway: FakeGateway) -> Iterator[Channel]:
    made = Channel(str(gateway.path))
    yield made
    made.close()


def numbers(gateway: FakeGateway) -> list[int]:
    return [body["n"] for _, kind, body in gateway.events() if kind == "x.y"]


def test_outside_overstory_every_call_is_a_no_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVERSTORY_SOCKET", raising=False)
    alone = Channel()
    before = threading.active_count()
    assert not alone.is_supervised
    assert not alone.event("x.y", {})
    assert not alone.gauges({"a": 1})
    assert not alone.subscribe("ended", print)
    assert alone.flush(0)
    for ask in (lambda: alone.ask("x.y"), lambda: alone.lives([])):
        with pytest.raises(NotSupervised):
            ask()
    assert threading.active_count() == before
    assert alone.close()


def test_events_arrive_once_and_in_order_however_often_the_gateway_dies(
    gateway: FakeGateway, channel: Channel
) -> None:
    for number in range(2000):
        assert channel.event("x.y", {"n": number})
        if number % 200 == 199:
            gateway.cut()
            until(lambda wanted=gateway.hellos + 1: gateway.hellos >= wanted)  # type: ignore[misc]  # a default binds it
    assert channel.flush(20)
    assert numbers(gateway) == list(range(2000))
    assert gateway.hellos > 5


def test_events_that_can_wait_come_soon_and_in_order_with_those_that_cannot(
    gateway: FakeGateway, channel: Channel
) -> None:
    channel.event("x.y", {"n": 0})
    assert channel.flush(10)
    for number in range(1, 100):
        channel.event("x.y", {"n": number}, can_wait=number % 10 != 0)
    until(lambda: numbers(gateway) == list(range(100)))


def test_a_flush_does_not_wait_for_what_can_wait(
    gateway: FakeGateway, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "SOON_S", 3600.0)
    channel.event("x.y", {"n": 0}, can_wait=True)
    assert channel.flush(10)
    channel.event("x.y", {"n": 1}, can_wait=True)
    channel.event("x.y", {"n": 2}, can_wait=True)
    assert channel.flush(10)
    channel.event("x.y", {"n": 3}, can_wait=True)
    channel.event("x.y", {"n": 4})
    until(lambda: numbers(gateway) == [0, 1, 2, 3, 4])


def test_what_can_wait_is_said_to_the_next_gateway_when_one_dies(
    gateway: FakeGateway, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_connection, "SOON_S", 3600.0)
    channel.event("x.y", {"n": 0})
    assert channel.flush(10)
    channel.event("x.y", {"n": 1}, can_wait=True)
    gateway.cut()
    until(lambda: numbers(gateway) == [0, 1])


def test_what_was_written_but_not_acknowledged_is_not_taken_twice(
    gateway: FakeGateway, channel: Channel
) -> None:
    channel.event("x.y", {"n": 0})
    assert channel.flush(5)
    gateway.is_silent = True
    channel.event("x.y", {"n": 1})
    until(lambda: numbers(gateway) == [0, 1])
    assert not channel.flush(0.05)
    gateway.is_silent = False
    gateway.cut()
    assert channel.flush(5)
    assert numbers(gateway) == [0, 1]


def test_a_program_may_say_things_before_there_is_a_gateway(tmp_path: Path) -> None:
    early = Channel(str(tmp_path / "agent"))
    for number in range(100):
        early.event("x.y", {"n": number})
    assert not early.flush(0.1)
    gateway = FakeGateway(tmp_path / "agent")
    assert early.flush(10)
    assert numbers(gateway) == list(range(100))
    early.close()
    gateway.close()


def test_while_the_disk_is_full_events_wait_in_order_and_questions_go_on(
    gateway: FakeGateway, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_conversation, "FULL_RETRY_S", 0.05)
    gateway.is_full = True
    for number in range(50):
        channel.event("x.y", {"n": number})
    assert channel.ask("q") == {"kind": "q"}
    until(lambda: gateway.ops("resume"))
    assert numbers(gateway) == []
    gateway.is_full = False
    channel.event("x.y", {"n": 50})
    assert channel.flush(10)
    assert numbers(gateway) == list(range(51))
    assert gateway.hellos == 1


def test_memory_is_bounded_and_what_was_dropped_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_conversation, "Outbox", lambda: _outbox.Outbox(max_events=100))
    away = Channel(str(tmp_path / "agent"))
    for number in range(150):
        away.event("x.y", {"n": number})
    for number in range(20):
        away.event("t.t", {"n": number}, telemetry=True)
    assert len(away._talk.outbox) == 100
    gateway = FakeGateway(tmp_path / "agent")
    assert away.flush(10)
    until(lambda: gateway.events()[-1][1] == "sdk.dropped")
    assert numbers(gateway) == list(range(50, 150)), "telemetry had to go before any event"
    assert gateway.events()[-1][2] == {"events": 50, "telemetry": 20}
    away.close()
    gateway.close()


def test_a_question_is_answered_or_fails_by_name_in_time(gateway: FakeGateway, channel: Channel) -> None:
    assert channel.ask("a.b", {"x": 1}) == {"kind": "a.b"}
    gateway.answer = lambda _: {"error": {"code": "held", "message": "no", "holder": 7}}
    with pytest.raises(Refused) as refused:
        channel.ask("a.b")
    assert (refused.value.code, refused.value.details) == ("held", {"holder": 7})
    gateway.answer = lambda _: {"error": {"code": "store_unavailable", "message": "away"}}
    with pytest.raises(Unavailable):
        channel.ask("a.b")
    gateway.answer = lambda _: None
    began = time.monotonic()
    with pytest.raises(Unavailable):
        channel.ask("a.b", timeout_s=0.2)
    assert time.monotonic() - began < 5
    for kind in ("A", "a.", "a b", "", "a" * 101):
        with pytest.raises(ValueError, match="no kind"):
            channel.ask(kind)


def test_a_question_that_was_on_its_way_is_put_again(gateway: FakeGateway, channel: Channel) -> None:
    answers: list[Any] = []
    gateway.answer = lambda _: None
    asking = threading.Thread(target=lambda: answers.append(channel.ask("a.b", timeout_s=10)))
    asking.start()
    until(lambda: gateway.ops("ask"))
    gateway.answer = lambda _: {"result": {"done": True}}
    gateway.cut()
    asking.join(10)
    assert answers == [{"done": True}]
    assert len(gateway.ops("ask")) == 2


def test_pushes_are_heard_in_a_thread_that_may_ask_and_after_a_loss_it_is_said_to_look_again(
    gateway: FakeGateway, channel: Channel
) -> None:
    heard: list[Push] = []
    answers: list[Any] = []

    def hear(push: Push) -> None:
        heard.append(push)
        answers.append(channel.ask("a.b"))
        if push.body.get("bad"):
            raise RuntimeError("a fault of the program's own")

    assert channel.subscribe("ended", hear)
    until(lambda: answers)
    assert heard[0].resync
    gateway.push("ended", 4, {"key": "t/b", "bad": True})
    until(lambda: len(answers) == 2)
    gateway.push("other", 5, {"key": "t/c"})
    gateway.push("ended", 6, {"key": "t/d"})
    until(lambda: len(answers) == 3)
    assert [push.body.get("key") for push in heard] == [None, "t/b", "t/d"]
    gateway.cut()
    until(lambda: len(gateway.ops("subscribe")) == 2)
    assert gateway.ops("subscribe")[-1]["since"] == {"life": "life1", "at": 6}
    until(lambda: len(heard) == 4)
    assert heard[-1].resync


def test_of_gauges_only_the_newest_values_travel(tmp_path: Path) -> None:
    away = Channel(str(tmp_path / "agent"))
    for number in range(1000):
        away.gauges({"a": number, "b": -number})
    gateway = FakeGateway(tmp_path / "agent")
    until(lambda: gateway.ops("gauges"))
    assert [message["values"] for message in gateway.ops("gauges")] == [{"a": 999, "b": -999}]
    away.close()
    gateway.close()


def test_a_forked_child_has_a_stream_of_its_own_and_leaves_the_parents_events_to_it(
    gateway: FakeGateway, channel: Channel
) -> None:
    gateway.is_silent = True
    channel.event("x.y", {"n": 0})
    pid = os.fork()
    if pid == 0:
        done = 1
        try:
            gateway_path_works = channel.event("x.y", {"n": 100}) and channel.event("x.y", {"n": 101})
            done = 0 if gateway_path_works and channel.flush(10) else 2
        finally:
            os._exit(done)
    gateway.is_silent = False
    gateway.cut()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert channel.event("x.y", {"n": 1})
    assert channel.flush(10)
    assert sorted([body["n"] for _, _, body in stream] for stream in gateway.taken.values() if stream) == [
        [0, 1],
        [100, 101],
    ]


def test_many_threads_may_speak_at_once(gateway: FakeGateway, channel: Channel) -> None:
    def speak(first: int) -> None:
        for number in range(first, first + 200):
            channel.event("x.y", {"n": number})
            if number % 50 == 0:
                channel.ask("a.b")

    threads = [threading.Thread(target=speak, args=(first,)) for first in range(0, 1600, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert channel.flush(10)
    assert sorted(numbers(gateway)) == list(range(1600))
    for first in range(0, 1600, 200):
        mine = [number for number in numbers(gateway) if first <= number < first + 200]
        assert mine == list(range(first, first + 200))


def test_it_finds_the_gateway_again_after_a_long_absence(gateway: FakeGateway, channel: Channel) -> None:
    channel.event("x.y", {"n": 0})
    assert channel.flush(5)
    gateway.close()
    channel.event("x.y", {"n": 1})
    assert not channel.flush(0.5)
    with pytest.raises(Unavailable):
        channel.ask("a.b", timeout_s=0.1)
    gateway.open_again()
    assert channel.flush(10)
    assert numbers(gateway) == [0, 1]


@pytest.mark.parametrize(
    "answer", [b"nonsense\n", b'{"op":"hello"}\n', b'{"op":5}\n', b"\x00" * 100, b'{"op":"acked","n":"x"}\n']
)
def test_what_is_no_gateway_never_ends_the_channel(tmp_path: Path, answer: bytes) -> None:
    import socket

    path = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        channel = Channel(str(path))
        channel.event("x.y", {"n": 0})
        connection, _ = listener.accept()
        connection.sendall(answer)
        connection.close()
    path.unlink()
    gateway = FakeGateway(path)
    assert channel.flush(10)
    assert numbers(gateway) == [0]
    channel.close()
    gateway.close()


def test_counters_travel_as_totals_and_again_with_each_connection(
    gateway: FakeGateway, channel: Channel
) -> None:
    for _ in range(1000):
        channel.count({"orders": 2})
    until(lambda: gateway.ops("counters"))
    assert [(m["values"], m.get("again")) for m in gateway.ops("counters")] == [({"orders": 2000}, None)]
    gateway.cut()
    channel.count({"late": 1})
    until(lambda: {"late": 1} in [m["values"] for m in gateway.ops("counters")])
    again = [m["values"] for m in gateway.ops("counters") if m.get("again")]
    assert again == [{"orders": 2000, "late": 1}]
    with pytest.raises(ValueError, match="never goes back"):
        channel.count({"orders": -1})
    channel.count({"orders": 1})
    channel.close(1.0)
    until(lambda: {"orders": 2001} in [m["values"] for m in gateway.ops("counters")])
