"""Where children report errors: who is given what, and what outlives the node."""

import stat
from pathlib import Path

import pytest

from supervision.runtime.reporting import Reporting, note, of_life

DSN = "http://k@127.0.0.1:8400/7"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "reporting.json"


def test_a_dsn_names_one_life_of_a_child() -> None:
    assert of_life(DSN, "shop/web/api@2", 17) == "http://k@127.0.0.1:8400/from/shop/web/api%402/17/7"
    assert of_life("https://k@ops.example/overstory/7", "shop/a", 1) == (
        "https://k@ops.example/overstory/from/shop/a/1/7"
    )


def test_a_life_is_given_a_place_a_release_and_an_environment(path: Path) -> None:
    reporting = Reporting(path, {"environment": "staging"})
    reporting.tell("m", {"shop": DSN})
    assert reporting.variables("shop/api", 3, 12, {"PATH": "/bin"}, {}) == {
        "SENTRY_DSN": "http://k@127.0.0.1:8400/from/shop/api/3/7",
        "SENTRY_RELEASE": "shop@12",
        "SENTRY_ENVIRONMENT": "staging",
    }
    assert Reporting(path.with_name("none"), {}).variables("shop/api", 3, 12) == {}
    assert reporting.variables("other/api", 3, 12) == {}


@pytest.mark.parametrize("own", ["https://k@elsewhere/1", ""])
def test_a_place_of_its_own_is_never_overridden_nor_named_after_us(path: Path, own: str) -> None:
    reporting = Reporting(path, {})
    reporting.tell("m", {"shop": DSN})
    assert reporting.variables("shop/api", 1, 1, {"SENTRY_DSN": own}, {}) == {}
    assert reporting.variables("shop/api", 1, 1, {}, {"SENTRY_DSN": own}) == {}


def test_a_release_of_its_own_stays(path: Path) -> None:
    reporting = Reporting(path, {})
    reporting.tell("m", {"shop": DSN})
    given = reporting.variables("shop/api", 1, 1, {"SENTRY_RELEASE": "api@2.1"})
    assert set(given) == {"SENTRY_DSN", "SENTRY_ENVIRONMENT"}


def test_the_next_node_knows_it_with_every_store_away(path: Path) -> None:
    Reporting(path, {}).tell("m1", {"shop": DSN})
    again = Reporting(path, {})
    assert (again.mark, again.dsns) == ("m1", {"shop": DSN})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mark": 1}', '{"mark": "m", "dsns": 3}'])
def test_a_damaged_file_is_as_none(path: Path, text: str) -> None:
    path.write_text(text)
    assert Reporting(path, {}).dsns == {}


def test_a_plan_says_it_in_words() -> None:
    assert note(0, 2) == ""
    assert note(1, 0).startswith("errors of 1 process come")
    assert "2 with a SENTRY_DSN of their own keep it" in note(3, 2)
