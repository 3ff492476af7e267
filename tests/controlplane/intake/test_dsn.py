"""DSNs, as an SDK takes them apart."""

import pytest
from django.core.management import CommandError, call_command
from sentry_sdk.consts import EndpointType
from sentry_sdk.utils import Dsn

from controlplane.intake.application import _PATH
from controlplane.intake.dsn import dsn_of
from supervision.errors.store.models import ErrorKey, ErrorProject


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:8400", "/api/42/envelope/"),
        ("https://ops.example/below/here", "/below/here/api/42/envelope/"),
    ],
)
def test_an_sdk_finds_the_intake(url: str, path: str) -> None:
    dsn = Dsn(dsn_of(42, "a" * 32, url))
    assert (dsn.public_key, dsn.project_id) == ("a" * 32, "42")
    assert str(dsn.to_auth().get_api_url(EndpointType.ENVELOPE)).endswith(path)


def test_a_childs_reports_say_whose_they_are() -> None:
    dsn = Dsn(dsn_of(42, "a" * 32, "http://127.0.0.1:8400", child="shop/api@2", incarnation=17))
    url = str(dsn.to_auth().get_api_url(EndpointType.ENVELOPE))
    found = _PATH.fullmatch(url.removeprefix("http://127.0.0.1:8400").replace("%40", "@"))
    assert found is not None
    assert (found["child"], found["incarnation"], found["project"]) == ("shop/api@2", "17", "42")


@pytest.mark.django_db
def test_the_command_makes_a_project_once(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("error_project", "shop", "--tree", "shop")
    first = capsys.readouterr().out
    call_command("error_project", "shop")
    assert capsys.readouterr().out == first
    project = ErrorProject.objects.get()
    assert first.strip().endswith(f"/{project.pk}")
    with pytest.raises(CommandError, match="slug"):
        call_command("error_project", "No Name")
    ErrorKey.objects.update(revoked_at="2026-01-01T00:00:00Z")
    with pytest.raises(CommandError, match="revoked"):
        call_command("error_project", "shop")
