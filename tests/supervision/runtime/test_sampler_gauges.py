"""Gauges: the newest of one life, bounded, and what a minute of them came to."""

from supervision.runtime.sampler_gauges import MAX_NAMES, Gauges


def test_the_newest_value_counts_until_the_life_is_another() -> None:
    gauges = Gauges()
    gauges.put("t/a", 1, {"queue": 3, "rate": 0.5})
    gauges.put("t/a", 1, {"queue": 4})
    assert gauges.of("t/a", 1) == {"queue": 4, "rate": 0.5}
    assert gauges.of("t/a", 2) is None
    assert gauges.of("t/b", 1) is None
    gauges.put("t/a", 2, {"queue": 0})
    gauges.put("t/a", 1, {"queue": 99})  # a straggler
    assert (gauges.of("t/a", 2), gauges.of("t/a", 1)) == ({"queue": 0}, None)


def test_names_of_one_child_are_bounded_and_the_first_stay() -> None:
    gauges = Gauges()
    for number in range(MAX_NAMES + 20):
        gauges.put("t/a", 1, {f"g{number}": number})
    gauges.put("t/a", 1, {"g0": 7})
    found = gauges.of("t/a", 1)
    assert found is not None
    assert (len(found), found["g0"], f"g{MAX_NAMES}" in found) == (MAX_NAMES, 7, False)


def test_a_minute_is_summed_up_from_what_each_second_saw() -> None:
    gauges = Gauges()
    gauges.put("t/a", 1, {"queue": 1})
    for second in range(120, 150):
        gauges.look(second, {"t/a": 1, "t/b": 1})
    gauges.put("t/a", 1, {"queue": 4, "late": 2})
    for second in range(150, 190):
        gauges.look(second, {"t/a": 1})
    assert gauges.minute("t/a", 120) == {
        "queue": {"avg": 2.5, "max": 4, "min": 1, "last": 4},
        "late": {"avg": 2.0, "max": 2, "min": 2, "last": 2},
    }
    assert gauges.minute("t/a", 180) == {
        "queue": {"avg": 4.0, "max": 4, "min": 4, "last": 4},
        "late": {"avg": 2.0, "max": 2, "min": 2, "last": 2},
    }
    assert gauges.minute("t/a", 60) is None
    assert gauges.minute("t/b", 120) is None


def test_minutes_are_bounded_and_children_can_be_forgotten() -> None:
    gauges = Gauges()
    gauges.put("t/a", 1, {"queue": 1})
    for minute in range(100):
        gauges.look(minute * 60, {"t/a": 1})
    assert gauges.minute("t/a", 0) is None
    assert gauges.minute("t/a", 99 * 60) is not None
    gauges.forget(["t/a", "t/never"])
    assert gauges.known() == set()


def test_a_counter_never_goes_back_and_a_minute_has_what_came_to_it() -> None:
    gauges = Gauges()
    gauges.count("t/a", 1, {"orders": 5}, again=False)
    gauges.look(120, {"t/a": 1})
    gauges.count("t/a", 1, {"orders": 3}, again=False)  # said late
    gauges.look(121, {"t/a": 1})
    gauges.count("t/a", 1, {"orders": 9}, again=False)
    gauges.look(180, {"t/a": 1})
    assert gauges.of("t/a", 1) == {"orders": 9}
    assert gauges.minute("t/a", 120) == {"orders": {"avg": 5.0, "max": 5, "min": 5, "last": 5, "added": 5.0}}
    assert gauges.minute("t/a", 180) == {"orders": {"avg": 9.0, "max": 9, "min": 9, "last": 9, "added": 4.0}}


def test_a_counter_of_another_life_begins_at_zero_and_both_stand_in_the_minute() -> None:
    gauges = Gauges()
    gauges.count("t/a", 1, {"orders": 5}, again=False)
    gauges.look(120, {"t/a": 1})
    gauges.count("t/a", 2, {"orders": 2}, again=False)
    gauges.count("t/a", 1, {"orders": 50}, again=False)  # a straggler
    gauges.look(121, {"t/a": 2})
    assert gauges.of("t/a", 2) == {"orders": 2}
    found = gauges.minute("t/a", 120)
    assert found is not None
    assert (found["orders"]["last"], found["orders"]["added"]) == (2, 7.0)


def test_what_a_new_sampler_is_told_again_came_to_the_counter_at_no_known_time() -> None:
    gauges = Gauges()
    gauges.count("t/a", 1, {"orders": 500}, again=True)
    gauges.count("t/a", 1, {"orders": 501}, again=False)
    gauges.look(120, {"t/a": 1})
    assert gauges.minute("t/a", 120) == {
        "orders": {"avg": 501.0, "max": 501, "min": 501, "last": 501, "added": 1.0}
    }
