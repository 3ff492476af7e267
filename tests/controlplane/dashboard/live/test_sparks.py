"""The last minute of a child against the obvious way to keep it."""

from hypothesis import given
from hypothesis import strategies as st

from controlplane.dashboard.live.sparks import POINTS, Sparks

CPU = st.none() | st.floats(0, 64)
RSS = st.none() | st.integers(0, 2**45)


@given(
    steps=st.lists(st.tuples(st.integers(-2, 70), CPU, RSS), max_size=90),
    later=st.integers(-65, 130),
    first=st.integers(0, 2_000_000_000),
)
def test_it_holds_the_last_sixty_seconds_and_a_gap_where_there_was_no_sample(
    steps: list[tuple[int, float | None, int | None]], later: int, first: int
) -> None:
    sparks, second = Sparks(), first
    known: dict[int, tuple[float | None, int | None]] = {}
    for step, cpu, rss in steps:
        sparks.add("n1:a", second + step, cpu, rss)
        if step > 0 or not known:
            second += step
            known[second] = (cpu, rss)
    until = second + later
    held = {at: values for at, values in known.items() if at > second - POINTS}
    seconds = range(until - POINTS + 1, until + 1)
    series = sparks.series("n1:a", until=until)
    assert series["cpu"] == [held.get(at, (None, None))[0] for at in seconds]
    assert series["rss"] == [held.get(at, (None, None))[1] for at in seconds]


def test_a_child_that_is_forgotten_or_was_never_seen_has_gaps_alone() -> None:
    sparks = Sparks()
    sparks.add("n1:a", 100, 0.5, 7)
    assert sparks.series("n1:a", until=100)["rss"][-1] == 7
    sparks.forget("n1:a")
    for name in ("n1:a", "n1:b"):
        assert set(sparks.series(name, until=100)["cpu"]) == {None}
