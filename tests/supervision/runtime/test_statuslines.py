"""Status lines: what changed since somebody asked, and nothing kept of what is over and told."""

from types import SimpleNamespace
from typing import Any

from supervision.runtime.statuslines import StatusLines


def runs(**lines: str) -> Any:
    return {key: SimpleNamespace(status_text=text) for key, text in lines.items()}


def test_only_what_changed_is_told_and_what_is_over_is_empty() -> None:
    lines = StatusLines()
    assert lines.since(0, runs(a="12 connections", b="")) == {"a": "12 connections"}
    first = lines.seq
    assert lines.since(first, runs(a="12 connections", b="")) == {}
    assert lines.since(first, runs(a="13 connections", b="warm")) == {"a": "13 connections", "b": "warm"}
    second = lines.seq
    assert lines.since(second, runs(b="")) == {"a": "", "b": ""}
    assert lines.since(0, runs(b="")) == {}


def test_what_is_over_is_forgotten_once_it_was_told() -> None:
    lines = StatusLines()
    for number in range(100):
        lines.since(lines.seq or 1, runs(**{f"job{number}": "works"}))
    lines.since(lines.seq, {})
    assert lines.since(lines.seq, {}) == {}
    assert not lines._known


def test_who_asks_anew_is_told_every_line() -> None:
    lines = StatusLines()
    lines.since(0, runs(a="x"))
    lines.since(lines.seq, runs(a="y", b="z"))
    assert lines.since(0, runs(a="y", b="z")) == {"a": "y", "b": "z"}
