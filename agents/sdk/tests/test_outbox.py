"""Events on their way: bounded, in order, the least important first to go."""

import random

from overstory._outbox import Dropped, Outbox


def unsent(outbox: Outbox) -> list[bytes]:
    found = []
    while (line := outbox.next_unsent()) is not None:
        found.append(line)
    return found


def test_lines_are_sent_in_order_and_again_until_they_are_acknowledged() -> None:
    outbox = Outbox()
    for number in range(1, 6):
        assert outbox.next_number == number
        assert outbox.add(b"%d" % number) == number
    assert unsent(outbox) == [b"1", b"2", b"3", b"4", b"5"]
    assert unsent(outbox) == []
    outbox.acknowledge(2)
    outbox.rewind()
    assert unsent(outbox) == [b"3", b"4", b"5"]
    outbox.acknowledge(5)
    assert (len(outbox), outbox.bytes, outbox.take_dropped()) == (0, 0, None)


def test_the_oldest_telemetry_goes_first_then_the_oldest_events() -> None:
    outbox = Outbox(max_events=4)
    for number in range(4):
        outbox.add(b"e%d" % number)
    outbox.add(b"t1", telemetry=True)  # it is the oldest telemetry there is
    assert unsent(outbox) == [b"e0", b"e1", b"e2", b"e3"]
    outbox.add(b"e4")
    outbox.rewind()
    assert unsent(outbox) == [b"e1", b"e2", b"e3", b"e4"]
    assert outbox.take_dropped() == Dropped(events=1, telemetry=1)
    assert outbox.take_dropped() is None


def test_a_new_event_takes_the_place_of_telemetry_that_waits() -> None:
    outbox = Outbox(max_events=3)
    outbox.add(b"e0")
    outbox.add(b"t0", telemetry=True)
    outbox.add(b"e1")
    outbox.add(b"e2")
    assert unsent(outbox) == [b"e0", b"e1", b"e2"]


def test_memory_is_bounded_by_bytes_too_and_the_newest_always_stays() -> None:
    outbox = Outbox(max_bytes=100)
    for _ in range(20):
        outbox.add(b"x" * 30)
        assert outbox.bytes <= 100
    outbox.add(b"y" * 1000)
    assert unsent(outbox) == [b"y" * 1000]
    assert outbox.dropped_events == 20


def test_whatever_happens_what_is_left_is_in_order_and_the_sums_agree() -> None:
    chance = random.Random(3)
    outbox = Outbox(max_events=50, max_bytes=2000)
    added = acknowledged_last = 0
    for _ in range(5000):
        step = chance.random()
        if step < 0.7:
            added = outbox.add(b"%05d" % (added + 1) * chance.randint(1, 20), telemetry=chance.random() < 0.3)
        elif step < 0.9:
            outbox.next_unsent()
        elif step < 0.95:
            outbox.rewind()
        else:
            acknowledged_last = chance.randint(acknowledged_last, added)
            outbox.acknowledge(acknowledged_last)
        assert len(outbox) <= 50
        assert outbox.bytes <= 2000
    outbox.rewind()
    left = [int(line[:5]) for line in unsent(outbox)]
    assert left == sorted(left)
    assert all(number > acknowledged_last for number in left)
