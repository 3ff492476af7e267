"""Rings: a sample a second, gaps stay gaps, what is not known is not zero."""

from hypothesis import given
from hypothesis import strategies as st

from supervision.runtime.sampler_ring import Minute, Ring, Sample

T = 1_700_000_040.0
"""A whole minute."""


def sample(at: float, cpu: float | None = 0.5, rss: int | None = 1 << 20, pss: int | None = None) -> Sample:
    return Sample(at, cpu, rss, pss, 3, 1, 0)


def test_samples_come_back_as_they_were_and_a_second_without_one_is_a_gap() -> None:
    ring = Ring(1)
    for second in (0, 1, 3):
        ring.put(sample(T + second + 0.4))
    assert [one.at - T for one in ring.samples(T, T + 10)] == [0, 1, 3]
    assert next(iter(ring.samples(T, T + 10))) == sample(T)


def test_only_the_last_minutes_are_kept() -> None:
    ring = Ring(1, size=5)
    for second in range(12):
        ring.put(sample(T + second))
    assert [one.at - T for one in ring.samples(T, T + 100)] == [7, 8, 9, 10, 11]


def test_a_round_of_the_ring_ago_is_not_taken_for_now() -> None:
    ring = Ring(1, size=5)
    ring.put(sample(T))
    ring.put(sample(T + 7))
    assert [one.at - T for one in ring.samples(T, T + 100)] == [7]


def test_what_is_not_known_stays_so() -> None:
    ring = Ring(1)
    ring.put(Sample(T, None, None, None, None, None, None))
    assert list(ring.samples(T, T + 1)) == [Sample(T, None, None, None, None, None, None)]
    assert ring.minute(int(T)) == Minute(1)


def test_a_minute_is_summed_up_from_what_it_has() -> None:
    ring = Ring(1)
    ring.put(sample(T - 1, cpu=9.0))
    for second, cpu in ((0, None), (1, 0.25), (59, 0.75)):
        ring.put(sample(T + second, cpu=cpu, rss=(second + 1) << 20, pss=4096))
    ring.put(sample(T + 60, cpu=9.0))
    minute = ring.minute(int(T))
    assert minute == Minute(
        n=3, cpu_avg=0.5, cpu_max=0.75, rss_avg=(63 << 20) // 3, rss_max=60 << 20, rss_min=1 << 20, pss=4096,
        fds_max=3, fds_min=3, threads_max=1, threads_min=1, children_max=0, children_min=0,
    )  # fmt: skip
    assert ring.minute(int(T) - 60) is not None
    assert ring.minute(int(T) - 120) is None


@given(st.lists(st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 1 << 40))), max_size=60))
def test_a_ring_says_what_a_list_would(puts: list[tuple[int, int | None]]) -> None:
    ring, size = Ring(1, size=8), 8
    kept: dict[int, int | None] = {}
    for second, rss in sorted(puts, key=lambda put: put[0]):
        ring.put(sample(T + second, rss=rss))
        kept[second] = None if rss is None else rss // 1024 * 1024
    newest = max(kept, default=0)
    expected = {second: rss for second, rss in kept.items() if second > newest - size}
    assert {int(one.at - T): one.rss for one in ring.samples(T, T + 100)} == expected
