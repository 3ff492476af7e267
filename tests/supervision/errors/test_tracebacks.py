"""Tracebacks that real interpreters wrote, read back."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.errors.event import Raised
from supervision.errors.tracebacks import read_traceback


def _died(tmp_path: Path, source: str) -> tuple[Raised, ...]:
    """What a program that dies of `source` leaves in its output."""
    file = tmp_path / "shop.py"
    file.write_text(source)
    ran = subprocess.run([sys.executable, str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode
    return read_traceback("starting\nan earlier line: of the log\n" + ran.stderr)


def test_one_exception(tmp_path: Path) -> None:
    (raised,) = _died(tmp_path, "def load(order):\n    return {}[order]\n\nload(17)\n")
    assert (raised.type, raised.value, raised.module) == ("KeyError", "17", "")
    assert [(frame.function, frame.line, frame.context_line) for frame in raised.frames] == [
        ("<module>", 4, "load(17)"),
        ("load", 2, "return {}[order]"),
    ]


CHAINED = """
class PaymentError(Exception):
    pass

def connect():
    raise ConnectionRefusedError("nobody there")

def charge():
    try:
        connect()
    except OSError as error:
        raise TimeoutError("gateway") from error

def pay():
    try:
        charge()
    except TimeoutError:
        raise PaymentError("charge of 17: failed")

pay()
"""


def test_causes_oldest_first(tmp_path: Path) -> None:
    raised = _died(tmp_path, CHAINED)
    assert [each.type for each in raised] == ["ConnectionRefusedError", "TimeoutError", "PaymentError"]
    assert [each.frames[-1].function for each in raised] == ["connect", "charge", "pay"]
    assert (raised[-1].value, raised[-1].module) == ("charge of 17: failed", "")
    assert [each.id for each in raised] == [2, 1, 0]
    assert [each.parent for each in raised] == [1, 0, None]


GROUP = """
def fetch(number):
    raise ValueError(f"row {number}")

def many():
    errors = []
    for number in range(2):
        try:
            fetch(number)
        except ValueError as error:
            errors.append(error)
    try:
        {}["x"]
    except KeyError as error:
        errors.append(ExceptionGroup("inner", [error]))
    raise ExceptionGroup("many failed", errors)

many()
"""


def test_an_exception_group_with_a_group_in_it(tmp_path: Path) -> None:
    raised = _died(tmp_path, GROUP)
    outer = raised[-1]
    assert (outer.type, outer.is_group, outer.id, outer.frames[-1].function) == (
        "ExceptionGroup",
        True,
        0,
        "many",
    )
    leaves = [each for each in raised if not each.is_group]
    assert sorted(each.type for each in leaves) == ["KeyError", "ValueError", "ValueError"]
    assert {each.value for each in leaves} == {"row 0", "row 1", "'x'"}
    assert all(each.source.startswith("exceptions[") for each in leaves)
    (inner,) = [each for each in raised[:-1] if each.is_group]
    assert inner.parent == 0
    assert next(each for each in leaves if each.type == "KeyError").parent == inner.id


def test_a_recursion_is_folded(tmp_path: Path) -> None:
    (raised,) = _died(tmp_path, "def walk(depth):\n    return walk(depth + 1)\n\nwalk(0)\n")
    assert raised.type == "RecursionError"
    assert 2 <= len(raised.frames) < 10


def test_a_message_of_several_lines(tmp_path: Path) -> None:
    (raised,) = _died(tmp_path, 'raise ValueError("first\\nsecond: third")\n')
    assert raised.value == "first\nsecond: third"


def test_an_error_of_syntax(tmp_path: Path) -> None:
    raised = _died(tmp_path, "import importlib.util\nexec(compile('x = = 1', 'shop.txt', 'exec'))\n")
    assert raised[-1].type == "SyntaxError"


def test_a_thread_that_died(tmp_path: Path) -> None:
    source = "import sys, threading\ndef work():\n    1 // 0\n\nt = threading.Thread(target=work)\n"
    source += "t.start()\nt.join()\nsys.exit(1)\n"
    (raised,) = _died(tmp_path, source)
    assert (raised.type, raised.frames[-1].function) == ("ZeroDivisionError", "work")


def test_the_last_of_several_is_read(tmp_path: Path) -> None:
    source = (
        "import traceback\ntry:\n    1 // 0\nexcept ArithmeticError:\n    traceback.print_exc()\n{}['x']\n"
    )
    (raised,) = _died(tmp_path, source)
    assert raised.type == "KeyError"


def test_text_after_it_does_not_belong_to_it() -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nKeyError: 7\n\n2026 INFO bye: bye\n'
    (raised,) = read_traceback(text)
    assert raised.value == "7"


def test_a_beginning_that_was_cut_off_is_no_traceback() -> None:
    assert read_traceback('  File "a.py", line 1, in f\n    g()\nKeyError: 7\n') == ()


@pytest.mark.parametrize(
    "text", ["", "\n\n", "Traceback (most recent call last):", "no traceback: at all", "Killed"]
)
def test_texts_without_one(text: str) -> None:
    assert read_traceback(text) == ()


PIECES = st.sampled_from(
    [
        "Traceback (most recent call last):",
        "  + Exception Group Traceback (most recent call last):",
        '  File "a.py", line 1, in f',
        '  |   File "a.py", line 1, in f',
        "    call()",
        "    ~~~~^^",
        "KeyError: 'x'",
        "  | ExceptionGroup: many (2 sub-exceptions)",
        "  +-+---------------- 1 ----------------",
        "    | Traceback (most recent call last):",
        "    | KeyError: 1",
        "    +------------------------------------",
        "The above exception was the direct cause of the following exception:",
        "",
        "  [Previous line repeated 990 more times]",
    ]
)


@given(st.lists(PIECES | st.text(max_size=20), max_size=40))
def test_no_text_raises(lines: list[str]) -> None:
    assert len(read_traceback("\n".join(lines))) <= 50


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "line",
    ["Traceback (most recent call last):", "  +-+---------------- 1 ----------------", "| " * 40, '  File "'],
)
def test_hostile_output_costs_little(line: str) -> None:
    read_traceback(f"Traceback (most recent call last):\n{line}\n" * 5000)
