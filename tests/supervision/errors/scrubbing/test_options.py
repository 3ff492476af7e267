"""What a project wants of scrubbing for itself."""

import json
import time
from typing import Any

import pytest

from supervision.errors.scrubbing.options import NOTHING_OWN, Options, spelled
from supervision.errors.scrubbing.texts import DEFAULT, FILTERED
from supervision.errors.scrubbing.values import scrub, texts_of

EMAILS, ADDRESSES = Options(emails=True), Options(addresses=True)
CARD = "4111111111111111"


@pytest.mark.parametrize(
    "text",
    [
        "anna@shop.example",
        "mail to <anna.b+news@mail.shop.example>, please",
        "GET /?user=anna%40shop.example&page=2",
        "'who': 'anna_b@shop.co.uk'",
        "grüße an jürgen@müller.example.",
        f"{'a' * 300}@shop.example",
    ],
)
def test_email_addresses_are_secrets_where_that_is_wanted(text: str) -> None:
    assert texts_of(NOTHING_OWN).text(text) == text
    made = texts_of(EMAILS).text(text)
    assert FILTERED in made
    assert "shop" not in made.replace("shop/", "")
    assert "müller" not in made


@pytest.mark.parametrize(
    "text",
    [
        "a @ b",
        "user@localhost",
        "@decorator.of",
        "3 @ 4.5",
        "shop/api@2",
        "x@",
        "git@",
        "@.",
        "a@b",
        "shop@1.2.3",
        "pkg@2.0.1-4",
    ],
)
def test_what_is_no_email_address_stays(text: str) -> None:
    assert texts_of(EMAILS).text(text) == text


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("from 203.0.113.7.", f"from {FILTERED}."),
        ("203.0.113.7:8080", f"{FILTERED}:8080"),
        ("http://10.1.2.3/x", f"http://{FILTERED}/x"),
        ("X: 198.51.100.1, 10.0.0.1", f"X: {FILTERED}, {FILTERED}"),
        ("2001:db8::7", FILTERED),
        ("http://[2001:db8:0:0:0:0:0:7]:80/", f"http://[{FILTERED}]:80/"),
        ("2001:db8::1: refused", f"{FILTERED}: refused"),
        ("::ffff:203.0.113.7", FILTERED),
        ("fe80::1%eth0 is down", f"{FILTERED} is down"),
    ],
)
def test_ip_addresses_are_secrets_where_that_is_wanted(text: str, made: str) -> None:
    assert texts_of(NOTHING_OWN).text(text) == text
    assert texts_of(ADDRESSES).text(text) == made


@pytest.mark.parametrize(
    "text",
    [
        "at 12:30:45",
        "1.2.3",
        "999.1.1.1",
        "std::vec",
        "a::b",
        "12:34:56:78:9a:bc",
        "1.2.3.4.5",
        "::",
        "f(x)[1:2]",
    ],
)
def test_what_is_no_ip_address_stays(text: str) -> None:
    assert texts_of(ADDRESSES).text(text) == text


def test_fields_of_a_user_go_by_their_names_and_it_is_said_where() -> None:
    user = {"id": "7", "email": "no address at all", "ip_address": "hidden", "username": "anna"}
    made = scrub({"user": user}, Options(emails=True, addresses=True))
    assert made.value["user"] == {"id": "7", "email": FILTERED, "ip_address": FILTERED, "username": "anna"}
    assert made.where == ["user.email", "user.ip_address"]
    assert scrub({"user": user}).value == {"user": user}
    headers = [["X-Forwarded-For", "unknown"], ["Accept", "*/*"]]
    assert scrub(headers, ADDRESSES).value == [["X-Forwarded-For", FILTERED], ["Accept", "*/*"]]
    assert (
        scrub({"email_count": 3, "skip": "1", "zip": "2"}, Options(emails=True, addresses=True)).where == []
    )


OWN = Options.of(always=["customerCode", "Akte-Nr"], never=["order_number", "session-id", "pin"])


@pytest.mark.parametrize(
    "value",
    [
        {"customer_code": "K-7"},
        {"customerCode": {"deep": ["K-7"]}},
        {"shop.customer-code": "K-7"},
        {"form": {"order[customer_code]": "K-7"}},
        [["Customer-Code", "K-7"]],
        "GET /?customer_code=K-7&page=2",
        "Order(customer_code='K-7', size=3)",
        {"akte_nr": "K-7"},
    ],
)
def test_names_that_a_project_calls_secret_are(value: Any) -> None:
    assert "K-7" in json.dumps(scrub(value).value)
    assert "K-7" not in json.dumps(scrub(value, OWN).value)


@pytest.mark.parametrize(
    "value",
    [
        {"order_number": CARD},
        {"orderNumber": int(CARD)},
        {"sessionId": "abc", "pin": 4711},
        {"order[pin]": "4711"},
        [["Session-Id", "abc"]],
        f"order_number={CARD}, retried",
        f"Order(order_number='{CARD}', pin=4711)",
        {"session_id": {"token": "abc"}},
    ],
)
def test_names_that_a_project_calls_safe_are(value: Any) -> None:
    assert scrub(value).value != value
    assert scrub(value, OWN).value == value


def test_beside_what_is_safe_everything_goes_as_before() -> None:
    text = f"pin=4711 password=hunter2 card {CARD} https://pin:hunter2@h/ {{'session_id': 'x', 'token': 'y'}}"
    made = texts_of(OWN).text(text)
    assert made == (
        f"pin=4711 password={FILTERED} card {FILTERED} https://pin:{FILTERED}@h/ "
        f"{{'session_id': 'x', 'token': '{FILTERED}'}}"
    )
    assert scrub({"token": "x", "pin": "password=y"}, OWN).value == {"token": FILTERED, "pin": "password=y"}


def test_a_name_in_both_lists_goes() -> None:
    both = Options.of(always=["pin"], never=["pin"])
    assert scrub({"pin": "4711"}, both).value == {"pin": FILTERED}
    assert texts_of(both).text("pin=4711") == f"pin={FILTERED}"


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        ("authorKey", "author_key"),
        ("AUTHOR-KEY", "author_key"),
        ("author.key", "author_key"),
        ("名前", "名前"),
        ("__", "__"),
    ],
)
def test_a_name_is_one_however_it_is_spelled(name: str, spelling: str) -> None:
    assert spelled(name) == spelling


def test_a_name_of_other_letters_is_itself_only() -> None:
    assert scrub({"名前": "x", "住所": "y"}, Options.of(always=["名前"])).value == {
        "名前": FILTERED,
        "住所": "y",
    }


def test_projects_without_wishes_share_what_is_remembered() -> None:
    assert texts_of(Options.of(never=[], always=())) is DEFAULT
    assert texts_of(Options.of(never=["a"])) is texts_of(Options.of(never=["A"]))


@pytest.mark.parametrize(
    "letters", ["a", "0123456789abcdef", "a@", "1.", ":a", "a.", "%40", "pin=", "@a.b", "pin=x ", "://pin:x@"]
)
def test_hostile_texts_cost_little_with_every_option(letters: str) -> None:
    every = Options.of(emails=True, addresses=True, never=["pin"], always=["code"])
    text = letters * (200_000 // len(letters))
    began = time.process_time()
    texts_of(every).text(text)
    assert time.process_time() - began < 5
