"""Which keys the words of a command line mean."""

import pytest

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.keys import covers, matches, resolve, topmost
from supervision.runtime.observed import Observed
from tests.support.fake_rows import shop

SHOP = Observed.from_json({"trees": [shop()]})


@pytest.mark.parametrize(
    ("pattern", "key", "meant"),
    [
        ("shop/*", "shop/db", True),
        ("shop/*", "shop/web/api@1", False),
        ("shop/**", "shop/web/api@1", True),
        ("**/api@?", "shop/web/api@1", True),
        ("shop/web/api@[12]", "shop/web/api@2", True),
        ("shop/web/api@[!1]", "shop/web/api@1", False),
        ("shop/web/api@[!1]", "shop/web/api@2", True),
        ("shop/db", "shop/db", True),
        ("shop/d.", "shop/db", False),
        ("shop/[", "shop/[", True),
    ],
)
def test_a_star_stays_within_a_part_and_two_cross_parts(pattern: str, key: str, meant: bool) -> None:
    assert matches(pattern, key) is meant


@pytest.mark.parametrize(
    ("word", "key", "meant"),
    [
        ("shop", "shop/web/api@1", True),
        ("shop/web/api", "shop/web/api@2", True),
        ("shop/web/ap", "shop/web/api@2", False),
        ("shop/w", "shop/web", False),
        ("*/web", "shop/web/api@1", True),
        ("shop/web/", "shop/web/api@1", True),
    ],
)
def test_a_filter_means_the_key_and_all_below_it(word: str, key: str, meant: bool) -> None:
    assert covers(word, key) is meant


def test_words_resolve_in_tree_order_each_once() -> None:
    words = ["shop/mail", "shop/d*", "shop/db"]
    assert resolve(words, SHOP) == ["shop/db", "shop/mail"]


def test_the_name_of_a_replicated_child_means_its_instances() -> None:
    assert resolve(["shop/web/api"], SHOP) == ["shop/web/api@1", "shop/web/api@2"]


def test_what_stands_below_a_matching_supervisor_is_left_to_it() -> None:
    assert resolve(["shop/**"], SHOP) == ["shop/db", "shop/web", "shop/mail"]
    assert topmost(["a", "a/b", "a/b/c", "ab"]) == ["a", "ab"]


def test_an_unknown_key_is_not_found_and_the_nearest_are_named() -> None:
    with pytest.raises(CliError) as missing:
        resolve(["web"], SHOP)
    assert missing.value.exit_code is ExitCode.NOT_FOUND
    assert missing.value.hint == "Did you mean shop/web?"
    with pytest.raises(CliError, match="matches nothing"):
        resolve(["shop/x*"], SHOP)
    with pytest.raises(CliError, match="no tree is applied"):
        resolve(["shop"], Observed.from_json({}))


def test_a_pattern_that_cannot_be_compiled_is_a_usage_error() -> None:
    with pytest.raises(CliError) as wrong:
        matches("shop/[z-a]", "shop/b")
    assert wrong.value.exit_code is ExitCode.USAGE
