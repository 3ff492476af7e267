"""Which release is later by its name, and where a name says nothing."""

import pytest

from supervision.errors.store.versions import is_no_older


@pytest.mark.parametrize(
    ("release", "than", "expected"),
    [
        ("1.4", "1.3", True),
        ("1.3", "1.3.0", True),
        ("1.10.0", "1.9.9", True),
        ("1.2.9", "1.3", False),
        ("v1.4", "1.3", True),
        ("shop@1.4.0", "1.3", True),
        ("shop@1.4.0", "shop@1.5.0", False),
        ("shop@1.4.0", "bank@1.3.0", None),
        ("1.4.0-rc.1", "1.4.0", False),
        ("1.4.0", "1.4.0-rc.1", True),
        ("1.4.0-rc.10", "1.4.0-rc.9", True),
        ("1.4.0-rc", "1.4.0-9", True),
        ("1.4.0-rc.1.1", "1.4.0-rc.1", True),
        ("1.4.0+b2", "1.4.0+b1", True),
        ("3f2a91c", "1.3", None),
        ("3f2a91c", "3f2a91c", True),
        ("12", "11", None),
        ("", "1.3", None),
        ("1.3", "", None),
    ],
)
def test_the_later_release_by_its_name(release: str, than: str, expected: bool | None) -> None:
    assert is_no_older(release, than) is expected
