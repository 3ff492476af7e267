"""Secrets that are planted, and what is no secret."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.errors.scrubbing import texts
from supervision.errors.scrubbing.names import is_secret_name
from supervision.errors.scrubbing.texts import FILTERED, is_card_number, scrub_source, scrub_text
from supervision.errors.scrubbing.values import scrub

SECRET = "hunter2-is-it"
CARD = "4111111111111111"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJB\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "name",
    [
        "password", "PASSWORD", "user_password", "userPassword",
        "passwd2", "auth_token", "authToken",
        "X-Api-Key", "apiKey",
        "AWS_SECRET_ACCESS_KEY", "Authorization", "Set-Cookie", "csrfmiddlewaretoken", "sessionid", "session_key",
        "private-key",
        "credit_card", "cardNumber", "DATABASE_URL", "sentry_dsn", "client_secret", "HTTP_COOKIE", "otp",
        "db_pass", "smtp_pass", "smtpPass", "DB_PASS", "pass", "pass2", "PGPASSWORD", "passwords", "user_passwords",
        "api_keys", "apiKeys", "access_tokens", "accessTokens", "userpassword", "pass_phrase", "passWord",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["author", "authority", "max_tokens", "token_count",
     "tokens", "passenger", "compass", "key", "keyboard", "session_count",
     "secretary", "password_changed", "pinned", "spinner", "user", "cookie_age", "carding", "token_type", "opinion",
     "compassion", "bypass", "pass_rate", "passed", "passes", "passing", "passport", "first_pass", "render_pass_2",
     "boarding_pass", "max_pass", "pass_count", "input_tokens", "keys", "api_keys_count", "max_access_tokens"],
)  # fmt: skip
def test_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        f"password={SECRET}",
        f"password = '{SECRET}'",
        f"{{'password': '{SECRET}', 'size': 3}}",
        f'{{"user": {{"api_key": "{SECRET}"}}}}',
        f"Config(token={SECRET!r}, retries=3)",
        f"GET /orders?size=3&token={SECRET}&x=1",
        f"https://shop.example/?api_key={SECRET}#top",
        f"postgresql://shop:{SECRET}@db.example/shop",
        f"redis://:{SECRET}@cache.example:6379/0",
        f"Authorization: Bearer {SECRET}",
        f"authorization: Basic {SECRET}=",
        f"sent 'Bearer {SECRET}' and failed",
        f'{{\\"password\\": \\"{SECRET}\\"}}',
        f"b'password={SECRET}'",
        f"secret => {SECRET}",
        f"1password={SECRET}",
        f'"1password": "{SECRET}"',
        f"[0].password={SECRET}",
        f"{'x' * 5000}.password={SECRET}",
        f"{'x' * 126}-token={SECRET}",
    ],
)
def test_secrets_in_texts(text: str) -> None:
    made = scrub_text(text)
    assert SECRET not in made
    assert FILTERED in made


@pytest.mark.parametrize("letters", ["a", "0123456789abcdef", "eyJ", "a.", "a-"])
def test_a_long_run_of_letters_costs_about_what_other_signs_do(letters: str) -> None:
    """A picture in base64, say. Each letter may not be looked at anew with all that follow it."""

    def cost(sign: str) -> float:
        text = sign * (200_000 // len(sign))
        times = []
        for _ in range(3):
            began = time.process_time()
            assert scrub_text(text) == text
            times.append(time.process_time() - began)
        return min(times)

    assert cost(letters) < 6 * cost("/")


@pytest.mark.parametrize(
    "text",
    [
        CARD,
        "card 4111 1111 1111 1111 declined",
        "4111-1111-1111-1111",
        f"order 7 by {CARD}.",
        "5500005555555559",
        "378282246310005",
    ],
)
def test_card_numbers(text: str) -> None:
    assert FILTERED in scrub_text(text)


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        KEY,
        f"key {KEY} end",
        "sk_live_51HabcDEF",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ],
)
def test_secrets_by_their_look(text: str) -> None:
    assert FILTERED in scrub_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "order 17 of author=Anna is late",
        "max_tokens=4096 token_count: 12",
        "at 2026-11-28T10:00:00 in 1234567890123",
        "password=None",
        "basic training",
        "https://shop.example/orders/17?page=2",
        "1.4111111111111111",
        "a: b, c = d",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub_text(text) == text


def test_a_line_of_a_program_loses_literals_only() -> None:
    assert scrub_source("token = get_token(request)") == "token = get_token(request)"
    assert scrub_source("if password == expected:") == "if password == expected:"
    assert SECRET not in scrub_source(f'    password = "{SECRET}"')


PLANTED: list[Any] = [
    {"exception": {"values": [{"stacktrace": {"frames": [{"vars": {"password": f"'{SECRET}'"}}]}}]}},
    {
        "exception": {
            "values": [
                {"stacktrace": {"frames": [{"vars": {"buyer": f"{{'name': 'A', 'password': '{SECRET}'}}"}}]}}
            ]
        }
    },
    {
        "exception": {
            "values": [{"stacktrace": {"frames": [{"vars": {"buyer": {"deep": {"Password": SECRET}}}}]}}]
        }
    },
    {
        "exception": {
            "values": [{"stacktrace": {"frames": [{"context_line": f"connect(password='{SECRET}')"}]}}]
        }
    },
    {"exception": {"values": [{"value": f"cannot log in with password={SECRET}"}]}},
    {"request": {"headers": {"Authorization": f"Bearer {SECRET}", "Cookie": f"sessionid={SECRET}"}}},
    {"request": {"headers": [["X-Api-Key", SECRET], ["Accept", "*/*"]]}},
    {"request": {"query_string": f"a=1&access_token={SECRET}"}},
    {"request": {"query_string": [["token", SECRET]]}},
    {"request": {"cookies": {"sessionid": SECRET}, "data": {"card": {"number": CARD}}}},
    {"request": {"data": f'{{"login": "a", "password": "{SECRET}"}}'}},
    {
        "breadcrumbs": {
            "values": [{"message": f"POST https://a:{SECRET}@pay.example/", "data": {"token": SECRET}}]
        }
    },
    {"extra": {"celery-job": {"args": [f"password={SECRET}"], "kwargs": {"pin": 4711}}, "number": int(CARD)}},
    {"contexts": {"shop": {"dsn": f"https://{SECRET}@errors.example/1"}}},
    {"tags": {"api_key": SECRET}},
    {"modules": {f"token={SECRET}": "1"}},
    {
        "exception": {
            "values": [
                {
                    "stacktrace": {
                        "frames": [
                            {"abs_path": f"https://bob:{SECRET}@h/x.js?token={SECRET}"},
                            {
                                "vars": {
                                    "release": f"password={SECRET}",
                                    "event_id": int(CARD),
                                    "trace_id": CARD,
                                }
                            },
                        ]
                    }
                }
            ]
        }
    },
    {"extra": {"timestamp": CARD, "contexts": {"trace": {"span_id": CARD}}, "sent_at": f"token={SECRET}"}},
]


@pytest.mark.parametrize("event", PLANTED)
def test_nothing_planted_in_an_event_is_left(event: Any) -> None:
    made = scrub(event)
    text = json.dumps(made.value)
    assert SECRET not in text
    assert CARD not in text
    assert "4711" not in text


def test_it_is_said_where_something_was() -> None:
    assert scrub({"a": {"password": "x"}, "b": ["token=y"], "c": 1}).where == ["a.password", "b.0"]


def test_identifiers_stay_as_they_are() -> None:
    event = {"event_id": "4111111111111111", "trace_id": CARD, "contexts": {"trace": {"span_id": CARD}}}
    assert scrub(event).value == event
    session = {"attrs": {"release": f"shop@{CARD}"}}
    assert scrub(session).value == session


@pytest.mark.parametrize(
    "path", ["/srv/shop/passenger/views.py", "https://shop.example/static/app.3f9c.js?v=17", "C:\\shop\\a.py"]
)
def test_a_path_without_secrets_stays(path: str) -> None:
    frame = {"abs_path": path, "vars": {"release": "shop@1.2.3", "event_id": "a" * 32}}
    assert scrub(frame).value == frame


@pytest.mark.parametrize(
    ("digits", "valid"), [(CARD, True), ("4111111111111112", False), ("0" * 16, False), ("42", False)]
)
def test_check_digits(digits: str, valid: bool) -> None:
    assert is_card_number(digits) is valid


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_doing_it_twice_changes_nothing_more(value: Any) -> None:
    once = scrub(value).value
    assert scrub(once).value == once


@pytest.mark.parametrize(
    "hostile",
    ["password=" * 8000, "'" * 60_000, "a=" * 30_000, "-----BEGIN PRIVATE KEY-----" * 2000, "1 " * 30_000, "eyJ" * 20_000,
     "://" * 20_000, "\\" * 60_000, "password: '" + "\\'" * 30_000, "1 " * 30_000 + "1.5", "password=(" * 8000,
     "&quot;" * 10_000,
     "%25" * 20_000, "\\x41" * 15_000, "\x1b[0m" * 15_000, "eyJ-" * 15_000, "<a>" * 20_000, "('a'," * 12_000,
     "name=\"" * 10_000,
     "--a b " * 10_000, "form-data; name=a\n" * 4000, "password: a\n" * 5000, "api key: " * 7000, "login a password" * 4000,
     "'name': 'a', 'value': " * 3000, "-----BEGIN PGP PRIVATE KEY BLOCK-----a" * 1500, "Cookie: " * 8000, "-u a" * 15_000,
     "&#3" * 20_000, "token=<" * 9000, "x://1" * 12_000, "4111 " * 12_000],
)  # fmt: skip
@pytest.mark.timeout(10)
def test_a_hostile_text_costs_little(hostile: str) -> None:
    """Minutes where a pattern backtracks; the bound of the test is generous beside the milliseconds that it takes."""
    scrub_text(hostile)


def test_what_tells_nothing_is_remembered_in_bounds_and_a_secret_never_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "MOST_REMEMBERED", 3)
    monkeypatch.setattr(scrub_text, "harmless", set())
    told = f"password={SECRET}"
    for text in ("a", "b", told, "x" * (texts.REMEMBERED_LETTERS + 1), "c", "d", "a", told):
        assert SECRET not in scrub_text(text)
        assert scrub_text(text) == scrub_text(text)
        assert len(scrub_text.harmless) <= 3
    assert scrub_text.harmless == {"d", "a"}
    assert not any(SECRET in text for text in scrub_text.harmless)
