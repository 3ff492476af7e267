"""Why something was not stored, in words."""

import pytest

from supervision.errors.losses import Why, things, why


@pytest.mark.parametrize(
    ("reason", "in_sdk", "is_loss"),
    [
        ("quota", False, True),
        ("spike_protection", False, True),
        ("busy", False, True),
        ("duplicate", False, False),
        ("not_stored", False, False),
        ("client: queue_overflow", True, True),
        ("client: network_error", True, True),
        ("client: ratelimit_backoff", True, True),
        ("client: sample_rate", True, False),
        ("client: before_send", True, False),
        ("client: event_processor", True, False),
    ],
)
def test_what_is_a_loss_and_whose(reason: str, in_sdk: bool, is_loss: bool) -> None:
    found = why(reason)
    assert (found.in_sdk, found.is_loss) == (in_sdk, is_loss)
    assert "_" not in found.words.removesuffix("(before_send)")


def test_a_reason_of_ours_is_none_of_an_sdk_and_one_that_nobody_knows_is_said_as_it_is() -> None:
    assert why("client: quota") == Why("quota", in_sdk=True, is_loss=True)
    assert why("client: sent_too_late") == Why("sent too late", in_sdk=True, is_loss=True)
    assert why("client: ").words == "no reason given"


def test_categories_in_words() -> None:
    assert (things("error", 1), things("error", 2), things("new_kind", 2)) == ("event", "events", "new_kind")
