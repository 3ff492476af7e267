"""Adding traces: what was there before the leak stays, and what the leak gained comes on top."""

from supervision.leaks.evaluation.mixtures import clean_pairs, leaks_in_clean
from supervision.leaks.evaluation.traces import Trace, Truth


def _trace(
    name: str, values: list[float], *, onset: int | None = None, program: str = "x", gens: int = 1
) -> Trace:
    samples = tuple(
        {"t": index * 60.0, "ops": float(index), "gen": float(index % gens), "fds": value}
        for index, value in enumerate(values)
    )
    return Trace(name, samples, Truth(program, onset is not None, frozenset({"fds"}), onset))


def test_a_leak_is_added_from_its_onset_on() -> None:
    clean = _trace("c", [10, 10, 12, 10])
    leak = _trace("l", [4, 4, 5, 6], onset=2, program="plain/fd_open")
    (mixed,) = leaks_in_clean([clean, leak])
    assert [sample["fds"] for sample in mixed.samples] == [10, 10, 13, 12]
    assert [sample["ops"] for sample in mixed.samples] == [0, 1, 2, 3]
    assert mixed.truth == Truth("x/fd_open", True, frozenset({"fds"}), 2)


def test_a_leak_beside_something_else_is_not_used() -> None:
    assert (
        list(leaks_in_clean([_trace("c", [1, 1]), _trace("l", [1, 2], onset=1, program="pool/fd_open")]))
        == []
    )


def test_pairs_of_clean_traces_lose_nothing_and_fall_below_nothing() -> None:
    one, other, leak = _trace("a", [1, 3, 1]), _trace("b", [5, 0, 7]), _trace("l", [1, 2, 3], onset=1)
    (pair,) = clean_pairs([one, other, leak])
    assert [sample["fds"] for sample in pair.samples] == [1, 0, 3]
    assert pair.truth is not None
    assert not pair.truth.leaks


def test_a_program_that_executed_itself_anew_is_left_out() -> None:
    assert list(clean_pairs([_trace("a", [1, 1]), _trace("b", [1, 1], gens=2)])) == []
