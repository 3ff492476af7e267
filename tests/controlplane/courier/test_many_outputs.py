"""The output of many children at once: their last lines in order, then what each writes, each with its share."""

from pathlib import Path
from typing import Any

import pytest

from controlplane.courier import many_outputs
from controlplane.courier.many_outputs import CHUNK, MAX_BYTES, MAX_KEYS, MAX_LINE, MAX_LINES, ManyOutputs
from supervision.runtime.clock import SystemClock


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    for key in ("shop/web", "shop/mail"):
        (tmp_path / key).mkdir(parents=True)
    (tmp_path / "shop/web/1.out").write_text("old life\n")
    (tmp_path / "shop/web/2.out").write_text("serving\n")
    (tmp_path / "shop/web/2.err").write_text("slow\n")
    (tmp_path / "shop/mail/1.out").write_text("sent\n")
    return tmp_path


@pytest.fixture
def outputs(logs: Path) -> ManyOutputs:
    return ManyOutputs(logs, SystemClock())


KEYS = ["shop/web", "shop/mail"]


def said(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((line["key"], line["text"]) for line in answer["lines"])


def test_the_last_lines_come_with_the_places_behind_them(outputs: ManyOutputs) -> None:
    answer = outputs.last({"keys": KEYS, "lines": 10}, 5)
    assert said(answer) == [
        ("shop/mail", "sent"),
        ("shop/web", "old life"),
        ("shop/web", "serving"),
        ("shop/web", "slow"),
    ]
    assert answer["places"] == {"shop/web": (2, 8, 5), "shop/mail": (1, 5, 0)}
    assert len(outputs.last({"keys": KEYS, "lines": 2}, 5)["lines"]) == 2
    assert said(outputs.last({"keys": KEYS, "lines": 9, "stream": "err"}, 5)) == [("shop/web", "slow")]


def test_what_each_writes_then_is_told_once_also_by_a_new_life(outputs: ManyOutputs, logs: Path) -> None:
    places = outputs.last({"keys": KEYS, "lines": 1}, 5)["places"]
    with (logs / "shop/web/2.out").open("a") as file:
        file.write("more\nlast words without an end")
    (logs / "shop/mail/1.err").write_text("half")
    answer = outputs.follow({"places": places}, 5)
    assert said(answer) == [("shop/web", "more")], "half a line is waited for"
    (logs / "shop/web/3.out").write_text("new life\n")
    answer = outputs.follow({"places": answer["places"]}, 5)
    assert said(answer) == [("shop/web", "last words without an end"), ("shop/web", "new life")]
    assert said(outputs.follow({"places": answer["places"]}, 0.6)) == []


def test_one_that_writes_much_leaves_the_others_their_share(outputs: ManyOutputs, logs: Path) -> None:
    places = outputs.last({"keys": KEYS, "lines": 1}, 5)["places"]
    with (logs / "shop/web/2.out").open("a") as file:
        file.write(("x" * 99 + "\n") * (CHUNK // 50))
    with (logs / "shop/mail/1.out").open("a") as file:
        file.write("heard\n")
    told = 0
    answer = outputs.follow({"places": places}, 5)
    assert ("shop/mail", "heard") in said(answer)
    while answer["lines"]:
        assert sum(len(line["text"]) for line in answer["lines"]) <= CHUNK
        told += sum(line["key"] == "shop/web" for line in answer["lines"])
        answer = outputs.follow({"places": answer["places"]}, 0.6)
    assert told == CHUNK // 50, "nothing is left out, it comes with the next answers"


def test_a_child_without_a_place_is_read_from_its_beginning(outputs: ManyOutputs) -> None:
    answer = outputs.follow({"places": {"shop/mail": None, "shop/none": None}}, 5)
    assert said(answer) == [("shop/mail", "sent")]


def test_an_answer_is_bounded(outputs: ManyOutputs, logs: Path) -> None:
    (logs / "shop/web/9.out").write_text(("y" * (MAX_LINE + 500) + "\n") * 1000)
    lines = outputs.last({"keys": KEYS, "lines": MAX_LINES}, 5)["lines"]
    assert {len(line["text"]) for line in lines} == {MAX_LINE}
    assert sum(len(line["text"]) for line in lines) <= MAX_BYTES


@pytest.mark.parametrize(
    "args",
    [
        {"keys": ["../secret"]},
        {"keys": "shop/web"},
        {"keys": [""]},
        {"keys": [3]},
        {"keys": ["a"] * (MAX_KEYS + 1)},
        {"keys": ["a"], "lines": 0},
        {"keys": ["a"], "stream": "disk"},
        {"places": {"../secret": None}},
        {"places": {"shop/web": [1, -1, 0]}},
        {"places": {"shop/web": [1, 2]}},
        {"places": {f"k{number}": None for number in range(MAX_KEYS + 1)}},
    ],
)
def test_what_is_no_question_is_refused(outputs: ManyOutputs, args: dict[str, Any]) -> None:
    question = outputs.follow if "places" in args else outputs.last
    with pytest.raises((ValueError, TypeError)):
        question(args, 5)


def test_nothing_is_waited_for_longer_than_there_is_time(
    outputs: ManyOutputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_outputs, "POLL_S", 0.01)
    places = outputs.last({"keys": KEYS, "lines": 1}, 5)["places"]
    before = SystemClock().boot()
    assert outputs.follow({"places": places}, 0.7)["lines"] == []
    assert SystemClock().boot() - before < 5
