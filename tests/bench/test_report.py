"""What the benchmark says about what it found."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import document
from bench.report import Figure, Result, Table, missed, number, show, summary


def result(*figures: Figure) -> Result:
    table = Table("restart", ("contender", "p50 ms"), (("bare loop", 0.5), ("slow one", None)), "a note")
    return Result("restart-c", tables=[table], figures=list(figures))


@pytest.mark.parametrize(
    ("value", "limit", "at_least", "verdict"),
    [
        (1.25, 1.25, False, "ok"),
        (1.26, 1.25, False, "MISSED"),
        (50_000, 50_000, True, "ok"),
        (49_999, 50_000, True, "MISSED"),
        (0, 0, False, "ok"),
        (None, 1.75, False, "not taken"),
    ],
)
def test_a_figure_is_met_up_to_its_limit(
    value: float | None, limit: float, at_least: bool, verdict: str
) -> None:
    assert Figure("f", value, limit, "x", at_least).verdict == verdict


def test_only_missed_figures_fail_a_run_and_one_not_taken_is_said() -> None:
    one = result(
        Figure("met", 1.0, 2.0, "x"),
        Figure("too slow", 3.0, 2.0, "x"),
        Figure("with user", None, 1.75, "x", why="only root may change the user"),
    )

    assert [figure.name for figure in missed([one])] == ["too slow"]
    text = summary([one])
    assert "MISSED  too slow: 3.00x (at most 2.00x)" in text
    assert "not taken  with user: only root may change the user (at most 1.75x)" in text
    assert text.splitlines()[-1] == "3 figures: 1 missed, 1 not taken"
    assert text.index("met:") < text.index("too slow")


def test_an_entry_that_failed_takes_nothing_from_the_others() -> None:
    text = summary([result(Figure("met", 1.0, 2.0, "x")), Result("adopt", failure="it hung")])

    assert "ok  met" in text
    assert "FAILED  adopt: it hung" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.12345, "0.123"), (1.0, "1.00"), (12.34, "12.3"), (1006.2, "1,006"), (420000.0, "420,000")],
)
def test_numbers_have_three_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text


def test_nothing_measured_is_a_dot_and_never_a_zero() -> None:
    assert show(None) == "."
    assert "slow one        ." in result().tables[0].text()


def test_a_table_is_aligned_for_a_terminal_and_has_its_note() -> None:
    assert result().tables[0].text().splitlines() == [
        "restart",
        "contender  p50 ms",
        "---------  ------",
        "bare loop   0.500",
        "slow one        .",
        "a note",
    ]


def test_the_json_holds_figures_with_their_verdicts() -> None:
    text = json.dumps(result(Figure("too slow", 3.0, 2.0, "x")).as_json())

    assert json.loads(text)["figures"][0]["verdict"] == "MISSED"
    assert json.loads(text)["tables"][0]["rows"] == [["bare loop", 0.5], ["slow one", None]]


REPORT = {
    "quick": False,
    "machine": {"cpus": 2, "kernel": "6.1", "python": "3.11.7", "architecture": "x86_64", "load": 0.1},
    "peers": {"s6": "2.11", "pm2": "7.0.4"},
}


def test_the_document_keeps_its_prose_and_gets_new_tables(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(f"# Prose\n\n{document.BEGIN}\nold\n{document.END}\n\nmore prose\n")

    document.write(path, REPORT, [result(Figure("too slow", 3.0, 2.0, "x"))])

    text = path.read_text()
    assert text.startswith("# Prose\n")
    assert text.endswith("more prose\n")
    assert "old" not in text
    assert "full run on 2 CPUs, x86_64, Linux 6.1, CPython 3.11.7; pm2 7.0.4, s6 2.11." in text
    assert "| bare loop | 0.500 |" in text
    assert "| too slow | 3.00x | at most 2.00x | MISSED |" in text

    document.write(path, REPORT, [])
    assert "bare loop" not in path.read_text()


def test_a_document_without_its_marks_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text(f"# Prose\n{document.BEGIN}\n")

    with pytest.raises(document.DocumentError, match="has no"):
        document.write(path, REPORT, [])
    assert path.read_text() == f"# Prose\n{document.BEGIN}\n"


def piece(entry: str, *, quick: bool = True, cpus: int = 2) -> dict[str, Any]:
    found = result(Figure("one", 1.0, 2.0, "x"), Figure("other", None, 2.0, "x", why="only root"))
    found.entry = entry
    machine = {"cpus": cpus, "architecture": "x", "kernel": "6", "python": "3", "load": len(entry)}
    written = {"quick": quick, "machine": machine, "peers": {entry: "1"}, "entries": [found.as_json()]}
    read: dict[str, Any] = json.loads(json.dumps(written))
    return read


def test_pieces_of_one_machine_are_one_report() -> None:
    report, results = document.join([piece("restart-c"), piece("idle")])
    assert [one.entry for one in results] == ["restart-c", "idle"]
    assert report["peers"] == {"restart-c": "1", "idle": "1"}
    whole = result(Figure("one", 1.0, 2.0, "x"), Figure("other", None, 2.0, "x", why="only root"))
    assert (results[0].tables, results[0].figures) == (whole.tables, whole.figures)
    assert document.measured(report, results).count("### restart\n") == 2


@pytest.mark.parametrize("other", [{"quick": False}, {"cpus": 4}])
def test_pieces_that_do_not_belong_together_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(document.DocumentError, match="different machines"):
        document.join([piece("a"), piece("b", **other)])
