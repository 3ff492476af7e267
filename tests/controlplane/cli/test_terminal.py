"""Where colours, shapes and JSON go."""

import io
import os
from collections.abc import Iterator

import pytest

from controlplane.cli.terminal import SHAPES, Terminal, Tone
from supervision.runtime.observed import STATES


@pytest.fixture
def tty() -> Iterator[io.TextIOWrapper]:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as out:
        yield out
    os.close(ours)


def terminal(out: io.TextIOWrapper, env: dict[str, str] | None = None, **options: bool) -> Terminal:
    return Terminal.of(out, out, environment={"TERM": "xterm", **(env or {})}, **options)


def test_colours_only_on_a_terminal(tty: io.TextIOWrapper) -> None:
    assert terminal(tty).color
    assert not Terminal.of(io.StringIO(), io.StringIO(), environment={}).color


@pytest.mark.parametrize(
    ("env", "coloured"), [({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)]
)
def test_no_color_and_dumb_terminals_are_respected(
    tty: io.TextIOWrapper, env: dict[str, str], coloured: bool
) -> None:
    assert terminal(tty, env).color is coloured


def test_options_win_over_what_is_seen(tty: io.TextIOWrapper) -> None:
    assert not terminal(tty, no_color=True).color
    assert Terminal.of(io.StringIO(), io.StringIO(), environment={"NO_COLOR": "1"}, force_color=True).color
    assert not terminal(tty, as_json=True, force_color=True).color


def test_every_state_has_a_shape_of_its_own_in_both_spellings() -> None:
    assert set(SHAPES) == set(STATES)
    assert len({fancy for fancy, _, _ in SHAPES.values()}) == len(STATES)
    assert all(plain.isascii() for _, plain, _ in SHAPES.values())


def test_an_encoding_without_shapes_gets_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    ascii_only = Terminal.of(out, out, environment={})
    assert not ascii_only.unicode
    assert ascii_only.shape("running") == "*"


def test_a_width_from_the_environment_counts_but_never_under_forty() -> None:
    assert Terminal.of(io.StringIO(), io.StringIO(), environment={"COLUMNS": "120"}).columns == 120
    assert Terminal.of(io.StringIO(), io.StringIO(), environment={"COLUMNS": "5"}).columns == 40
    assert Terminal.of(io.StringIO(), io.StringIO(), environment={}).columns == 80


def test_plain_text_stays_plain() -> None:
    plain = Terminal(io.StringIO(), io.StringIO())
    assert plain.paint("x", Tone.CRIT) == "x"
