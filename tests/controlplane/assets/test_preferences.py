"""Preferences without script: a form, cookies, and back."""

import pytest
from django.test import RequestFactory

from controlplane.assets.preferences import preferences


def test_choices_are_kept_and_the_page_comes_back() -> None:
    request = RequestFactory().post("/preferences", {"theme": "dark", "keys": "off", "next": "/tree?q=x"})
    response = preferences(request)
    assert response["location"] == "/tree?q=x"
    assert response.cookies["overstory_theme"].value == "dark"
    assert response.cookies["overstory_keys"].value == "off"
    assert "overstory_density" not in response.cookies


@pytest.mark.parametrize(
    "target", ["https://elsewhere.example/", "//elsewhere.example", "", "javascript:alert(1)"]
)
def test_it_leads_nowhere_else(target: str) -> None:
    response = preferences(RequestFactory().post("/preferences", {"theme": "<b>", "next": target}))
    assert response["location"] == "/"
    assert not response.cookies
