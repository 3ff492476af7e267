"""What a program may say: cut into messages, bounded, refused by name."""

import json
import random
from typing import Any

import pytest

from supervision.runtime import gateway_wire as wire
from supervision.runtime.gateway_wire import Framer, Refusal, Said, WireFault


def line(**message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


def all_of(framer: Framer) -> list[Said]:
    found = []
    while (said := framer.pop()) is not None:
        found.append(said)
    return found


def test_messages_come_whole_however_they_were_cut() -> None:
    chance = random.Random(7)
    data = b"".join(line(op="event", n=number, body={"text": "é\n" * number}) for number in range(50))
    data += line(op="checkpoint.save", id=1, bytes=5) + b"\n\n{}\n" + line(op="resume")
    for _ in range(30):
        framer = Framer(100)
        found = []
        at = 0
        while at < len(data):
            step = chance.randint(1, 200)
            framer.feed(data[at : at + step])
            found += all_of(framer)
            at += step
        assert [said.op for said in found] == ["event"] * 50 + ["checkpoint.save", "resume"]
        assert [said.fields["n"] for said in found[:50]] == list(range(50))
        assert found[50].payload == b"\n\n{}\n"


def test_raw_bytes_past_the_bound_are_thrown_away_and_never_kept() -> None:
    framer = Framer(10)
    framer.feed(line(op="checkpoint.save", id=1, bytes=1_000_000))
    for _ in range(100):
        assert framer.pop() is None
        framer.feed(b"x" * 10_000)
        assert len(framer._buffer) <= 10_000
    found = all_of(framer)
    assert [(said.op, said.is_too_large, said.payload) for said in found] == [("checkpoint.save", True, b"")]
    framer.feed(line(op="resume"))
    assert [said.op for said in all_of(framer)] == ["resume"]


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\n", b"[]\n", b"{}\n", b'{"op":1}\n', b'{"op":"x","bytes":-1}\n', b'{"op":"x","bytes":true}\n',
        b'{"op":"x","bytes":1e9}\n', b'{"op":"x","bytes":999999999999}\n', b"\xff\xfe\n", b'{"op":"x","y":NaN}\n',
        b'{"op":"x","y":' + b"[" * 500 + b"]" * 500 + b"}\n", b'{"op":"x","y":1e999}\n', b"x" * (wire.MAX_LINE + 1),
    ],
    ids=range(13),
)  # fmt: skip
def test_what_is_no_message_is_a_fault(data: bytes) -> None:
    framer = Framer()
    framer.feed(data)
    with pytest.raises(WireFault):
        framer.pop()


@pytest.mark.parametrize(
    ("read", "good", "bad"),
    [
        (wire.kind, [{"kind": "a.b_c"}, {"kind": "x"}], [{}, {"kind": ""}, {"kind": "A"}, {"kind": "a."}, {"kind": "a b"}]),
        (wire.body, [{}, {"body": {}}], [{"body": []}, {"body": None}, {"body": "x"}]),
        (
            wire.gauges,
            [{"values": {"queue_length": 1}}, {"values": {}}],
            [{}, {"values": {"A": 1}}, {"values": {"a": "1"}}, {"values": {"a": True}},
             {"values": {f"a{n}": 1 for n in range(65)}}, {"values": {"a" * 65: 1}}],
        ),
        (lambda fields: wire.number(fields, "n", least=1), [{"n": 1}],
         [{}, {"n": 0}, {"n": True}, {"n": 1.0}, {"n": 2**63}]),
        (lambda fields: wire.text(fields, "t", most=3), [{"t": "abc"}, {"t": ""}], [{}, {"t": "abcd"}, {"t": 1}]),
        (
            lambda fields: wire.seconds(fields, "s", default=5, most=5),
            [{}, {"s": 1}, {"s": 0.5}, {"s": 99}],
            [{"s": 0}, {"s": -1}, {"s": True}, {"s": "1"}],
        ),
    ],
    ids=["kind", "body", "gauges", "number", "text", "seconds"],
)  # fmt: skip
def test_each_field_is_checked(read: Any, good: list[dict[str, Any]], bad: list[dict[str, Any]]) -> None:
    for fields in good:
        read(fields)
    for fields in bad:
        with pytest.raises(Refusal):
            read(fields)
