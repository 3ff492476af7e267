import pytest

from supervision.kernel.reasons import Term, is_normal


@pytest.mark.parametrize(
    ("reason", "codes", "normal"),
    [
        ("normal", (), True),
        ("shutdown", (), True),
        (["shutdown", "done"], (), True),
        (["shutdown"], (), False),
        (["shutdown", 1, 2], (), False),
        ("killed", (), False),
        ("exit(3)", (), False),
        ("exit(3)", (3,), True),
        ("exit(4)", (3,), False),
        ("signal(3)", (3,), False),
        ("lost", (3,), False),
        (None, (3,), False),
        (3, (3,), False),
        ({"a": 1}, (), False),
    ],
)
def test_a_normal_end(reason: Term, codes: tuple[int, ...], normal: bool) -> None:
    assert is_normal(reason, frozenset(codes)) is normal
