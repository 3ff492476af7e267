"""A value within the bounds is taken as it is; any other becomes one that is."""

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from supervision.errors.protocol import cleaning
from supervision.errors.protocol.cleaning import (
    MOST_INT,
    MOST_ITEMS,
    MOST_KEY,
    MOST_LEVELS,
    MOST_STRING,
    clean,
)

texts = st.text(st.sampled_from("ab\0\ud800\udfffé…😀"), max_size=4) | st.sampled_from(
    ["x" * MOST_STRING, "x" * (MOST_STRING + 1), "x" * (MOST_KEY + 1)]
)
numbers = st.sampled_from([0, -1, MOST_INT - 1, MOST_INT, -MOST_INT, 1.5, float("nan"), float("inf"), 1e300])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def nested(levels: int) -> Any:
    """Any: JSON."""
    value: Any = []
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return value


@given(values)
@example(nested(MOST_LEVELS))
@example(nested(MOST_LEVELS + 1))
@example([0] * MOST_ITEMS)
@example([0] * (MOST_ITEMS + 1))
@example({str(number): 0 for number in range(MOST_ITEMS + 1)})
def test_what_is_taken_as_it_is_is_what_a_copy_would_not_differ_from(value: Any) -> None:
    cut: dict[str, str] = {}
    copied = cleaning._clean(value, "", MOST_LEVELS, cut)
    made = clean(value)
    assert repr(made.value) == repr(copied)
    assert made.cut == cut
    is_within = repr(copied) == repr(value) and not cut
    assert (made.value is value) == is_within
    assert clean(copied).value is copied
