"""Questions: what is none, what is answered, and whose files are served."""

import json
from pathlib import Path
from typing import Any

import pytest

from controlplane.courier import output_answers
from controlplane.courier.answering import parse_question
from controlplane.courier.output_answers import MAX_BYTES, MAX_LINES, Output
from supervision.runtime.clock import SystemClock

GOOD = {"op": "logs", "args": {"key": "t/a"}, "reply": "overstory:answer:1", "deadline": 200}


def test_a_question_is_read() -> None:
    assert parse_question(json.dumps(GOOD).encode(), now=100.0) == GOOD | {"deadline": 200.0}


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"[]", "text", None, json.dumps(GOOD | {"deadline": 99}).encode(),
     json.dumps(GOOD | {"reply": "celery"}).encode(), json.dumps(GOOD | {"args": 3}).encode(),
     json.dumps({"op": "logs"}).encode(), b"x" * (21 << 20)],
    ids=["empty", "nonsense", "list", "text", "nothing", "late", "elsewhere", "args", "missing", "long"],
)  # fmt: skip
def test_what_is_none_is_left(data: Any) -> None:
    assert parse_question(data, now=100.0) is None


@pytest.fixture
def output(tmp_path: Path) -> Output:
    directory = tmp_path / "logs" / "t" / "a"
    directory.mkdir(parents=True)
    (directory / "1.out").write_text("".join(f"line {n}\n" for n in range(10)))
    (directory / "2.err").write_text("Traceback\nboom\n")
    (tmp_path / "secret").write_text("hunter2\n")
    return Output(tmp_path / "logs", SystemClock())


def texts(answer: dict[str, Any]) -> list[str]:
    return [line["text"] for line in answer["lines"]]


def test_lines_are_those_that_were_asked_for(output: Output) -> None:
    assert texts(output.lines({"key": "t/a", "stream": "out", "lines": 2}, 5)) == ["line 8", "line 9"]
    assert texts(output.lines({"key": "t", "incarnation": 2}, 5)) == ["Traceback", "boom"]
    assert output.lines({"key": "t/a", "since": 4e9}, 5) == {"lines": [], "truncated": False}
    assert output.keys({"key": "t"}, 5) == {"keys": ["t/a"], "truncated": False}
    assert output.tail({"key": "t/a"}, 5)["lines"] == ["Traceback", "boom"]


@pytest.mark.parametrize(
    "key", ["../secret", "t/../../secret", "/etc/passwd", ".", "..", "t/a/..", "", "a\0b", 3, None]
)
def test_nobody_elses_files_are_served(output: Output, key: Any) -> None:
    for question in (output.lines, output.tail, output.follow):
        with pytest.raises((ValueError, KeyError)):
            question({"key": key}, 5)


@pytest.mark.parametrize(
    "args",
    [
        {"lines": 0},
        {"lines": 10**9},
        {"lines": "5"},
        {"since": "now"},
        {"stream": "disk"},
        {"incarnation": "1"},
    ],
)
def test_arguments_of_another_kind_are_refused(output: Output, args: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        output.lines({"key": "t/a", **args}, 5)


def test_following_goes_on_behind_its_cursor(output: Output, tmp_path: Path) -> None:
    begun = output.follow({"key": "t/a"}, 5)
    assert begun["lines"] == []
    with (tmp_path / "logs/t/a/1.out").open("a") as file:
        file.write("more\nhalf")
    (tmp_path / "logs/t/a/3.out").write_text("new life\n")
    answer = output.follow({"key": "t/a", "cursor": begun["cursor"]}, 5)
    assert texts(answer) == ["more", "new life"]
    assert texts(output.follow({"key": "t/a", "cursor": answer["cursor"]}, 0.6)) == []


def test_an_answer_is_bounded_and_says_so(tmp_path: Path) -> None:
    directory = tmp_path / "t"
    directory.mkdir()
    (directory / "1.out").write_text(("x" * 2000 + "\n") * 2000)
    answer = Output(tmp_path, SystemClock()).lines({"key": "t", "lines": MAX_LINES}, 30)
    assert answer["truncated"]
    assert sum(len(text) for text in texts(answer)) <= MAX_BYTES
    assert output_answers.CHUNK < MAX_BYTES
