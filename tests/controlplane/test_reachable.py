"""Where the web server is reached: what the environment says, and what it must not."""

import pytest

from controlplane.reachable import Reachable, ReachableError


def test_without_a_word_it_is_on_loopback() -> None:
    assert Reachable.from_environment({}) == Reachable(
        "http://127.0.0.1:8400", "", ("localhost", "127.0.0.1", "[::1]"), False, "http://127.0.0.1:8400", ""
    )
    assert Reachable.from_environment({"OVERSTORY_PORT": "9000"}).public_url == "http://127.0.0.1:9000"


def test_a_public_url_says_everything() -> None:
    found = Reachable.from_environment({"OVERSTORY_PUBLIC_URL": "https://ops.example.com/over/story/"})
    assert found.public_url == "https://ops.example.com/over/story"
    assert (found.prefix, found.hosts[-1], found.only_tls) == ("/over/story", "ops.example.com", True)


@pytest.mark.parametrize("text", ["overstory", "/overstory", "/overstory/"])
def test_a_path_alone(text: str) -> None:
    found = Reachable.from_environment({"OVERSTORY_ROOT_PATH": text})
    assert (found.prefix, found.public_url) == ("/overstory", "http://127.0.0.1:8400/overstory")


def test_lists_are_separated_by_commas_or_spaces() -> None:
    found = Reachable.from_environment({"OVERSTORY_ALLOWED_HOSTS": "a.example, b.example c.example"})
    assert found.hosts[3:] == ("a.example", "b.example", "c.example")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("OVERSTORY_PUBLIC_URL", "ops.example.com"),
        ("OVERSTORY_PUBLIC_URL", "ftp://x"),
        ("OVERSTORY_PUBLIC_URL", "https://x/?q"),
        ("OVERSTORY_ROOT_PATH", "/a b"),
        ("OVERSTORY_ROOT_PATH", "https://x/y?z"),
    ],
)
def test_what_cannot_be_meant_is_named(name: str, text: str) -> None:
    with pytest.raises(ReachableError, match=name):
        Reachable.from_environment({name: text})
