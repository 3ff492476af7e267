"""Options of guardian, node and helpers."""

import pytest

from supervision.runtime.options import Options


def test_values_follow_their_name_or_an_equals_sign() -> None:
    options = Options(["--data-dir", "/a b", "--log-file=-"], "--data-dir", "--log-file")
    assert (options.problem, options.get("--data-dir", ""), options.get("--log-file", "")) == (
        "",
        "/a b",
        "-",
    )


def test_what_is_not_given_has_its_default() -> None:
    assert Options([], "--data-dir").get("--data-dir", None) is None


def test_the_last_of_two_counts() -> None:
    assert Options(["--a", "1", "--a=2"], "--a").get("--a", "") == "2"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--dat-dir", "x"], "unknown option --dat-dir; known are --data-dir"),
        (["x"], "unknown option x"),
        (["--data-dir"], "--data-dir needs a value"),
    ],
)
def test_a_problem_names_the_option(argv: list[str], words: str) -> None:
    assert words in Options(argv, "--data-dir").problem
