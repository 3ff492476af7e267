"""What is remembered to be harmless makes an event cheaper, and never lets through what would else be filtered."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from supervision.errors.scrubbing.options import NOTHING_OWN, Names, Options
from supervision.errors.scrubbing.texts import Texts
from supervision.errors.scrubbing.values import _Values

KEYS = (
    "password", "note", "args", "pre_context", "context_line", "name", "value", "key", "headers", "data", "message",
    "params", "kty", "d", "event_id", "timestamp", "lineno", "a=b", "token: sesame",
)  # fmt: skip
TEXTS = (
    "hunter2", "--password", "--verbose", "-p", "password", "Authorization", "order 12", "", "None", "password=hunter2",
    "token = get()", "token = 'sesame'", "-----BEGIN PRIVATE KEY-----", "MIIEvQIBADANBg", "-----END PRIVATE KEY-----",
    "4111 1111 1111 1111", "Bearer abcdef0123456789", "https://u:hunter2@h/", "(\"password\", \"hunter2\")", "return x",
    "--key",
)  # fmt: skip
NUMBERS = (0, 12, 4111111111111111, 4111111111111111.0, 1.5, 10**12 + 7)
ARGUMENTS = ("run", "hunter2", "--password", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----")
values = st.recursive(
    st.sampled_from([*TEXTS, *NUMBERS, None, True]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(KEYS), values, max_size=6)
options = st.sampled_from(
    [NOTHING_OWN, Options(never=frozenset({"note"})), Options(always=frozenset({"lineno"}))]
)


def scrubbed(value: Any, texts: Texts) -> tuple[Any, list[str]]:
    scrubber = _Values(texts)
    return scrubber.scrub(value, "", source=False), scrubber.where


@given(bodies=st.lists(bodies, min_size=1, max_size=4), options=options)
def test_what_was_seen_before_changes_nothing_of_what_is_filtered(
    bodies: list[dict[str, Any]], options: Options
) -> None:
    remembering = Texts(Names(options))
    for body in [*bodies, *bodies]:
        assert scrubbed(body, remembering) == scrubbed(body, Texts(Names(options)))


@given(lists=st.lists(st.lists(st.sampled_from(ARGUMENTS), min_size=3, max_size=5), min_size=2, max_size=4))
def test_what_stood_in_a_list_before_says_nothing_of_what_it_stands_beside_now(
    lists: list[list[str]],
) -> None:
    remembering = Texts(Names(NOTHING_OWN))
    for each in [*lists, *lists]:
        assert scrubbed(each, remembering) == scrubbed(each, Texts(Names(NOTHING_OWN)))


def test_a_body_that_came_before_is_not_looked_at_again() -> None:
    remembering = Texts(Names(NOTHING_OWN))
    body = {"frames": [{"function": "pay", "lineno": 12, "pre_context": ["a = 1", "b = 2", "return x"]}]}
    scrubbed(body, remembering)
    assert {"frames", "function", "lineno", "pre_context"} <= remembering.plain
    assert {"a = 1", "b = 2", "return x"} <= remembering.source.apart
    assert scrubbed(body, remembering)[0] == body
