"""Secrets in shapes other than `name=value`, and as they are written into addresses, pages, JSON and terminals."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from supervision.errors.scrubbing.names import is_secret_name
from supervision.errors.scrubbing.texts import FILTERED, scrub_source, scrub_text
from supervision.errors.scrubbing.values import scrub

SECRET = "hunter2-is-it"
CARD = "4111111111111111"
PEM = ["-----BEGIN EC PRIVATE KEY-----", "MHcCAQEEI", "AwEHoUQDQ==", "-----END EC PRIVATE KEY-----"]


@pytest.mark.parametrize(
    "text",
    [
        f"user[password]={SECRET}&page=2",
        f"user%5Bpassword%5D={SECRET}&page=2",
        quote(json.dumps({"password": SECRET})),
        quote(quote(f"api_key={SECRET}")),
        f"&quot;password&quot;: &quot;{SECRET}&quot;",
        f"&#34;api_key&#34;:&#34;{SECRET}&#34;",
        json.dumps(json.dumps(json.dumps({"client_secret": SECRET}))),
        f"\\u0022password\\u0022:\\u0022{SECRET}\\u0022",
        f"\x1b[31mapi_key\x1b[0m=\x1b[1m{SECRET}\x1b[0m",
        f"'first\\napi_key={SECRET}\\nlast'",
        f"{{'passwords': ['a', '{SECRET}']}}",
        f"{{'credentials': {{'a': {{'b': 1}}, 'c': '{SECRET}'}}}}",
        f"Settings(password=SecretStr('{SECRET}'), size=3)",
        f"token=<Token {SECRET}> size=3",
        f"auth=('bob', '{SECRET}')",
        f"password=f'{SECRET}'",
        f"Authorization: Token {SECRET}",
        f"Cookie: theme=dark; remember={SECRET}; a=b",
        f"password=a,{SECRET} next",
        f"DB_PASSWORD=two words {SECRET}",
        f"password: correct horse {SECRET}",
        f"export STRIPE_SECRET={SECRET}",
        f"API key: {SECRET}",
        f"session id = {SECRET}",
        f"Invalid password '{SECRET}' for bob",
        f"ALTER USER bob IDENTIFIED BY '{SECRET}'",
        f"<soap:Password type='text'>{SECRET}</soap:Password>",
        f'<add key="ApiKey" value="{SECRET}"/>',
        f"<input name='password' type='text' value='{SECRET}'>",
        f'{{"name": "DB_PASSWORD", "value": "{SECRET}"}}',
        f'form-data; name="password"\r\nContent-Type: text/plain\r\n\r\n{SECRET}\r\n--x--',
        f"b'form-data; name=\"password\"\\r\\n\\r\\n{SECRET}\\r\\n--x'",
        f"[('password', '{SECRET}'), ('page', '2')]",
        f"[(b'authorization', b'{SECRET}')]",
        f"deploy --api-key {SECRET} --size 3",
        f"['deploy', '--password', '{SECRET}']",
        f"curl -u bob:{SECRET} https://shop.example",
        f"machine h login bob password {SECRET}",
        f"sshpass -p {SECRET} ssh h",
        f"postgresql://bob:p@ss-{SECRET}@db/shop",
        f"https://{SECRET}-{SECRET}@git.example/x",
        f"bob:{SECRET}@tcp(db:3306)/shop",
        f"jdbc:postgresql://db/shop?user=a&password={SECRET}",
        f"Server=db;User Id=sa;Pwd={SECRET};",
        f"AccountName=x;AccountKey={SECRET}==;",
        f"https://x.blob.example/a?sv=1&sig={SECRET}",
        f"last_used_token={SECRET}",
        f"PHPSESSID={SECRET}",
    ],
)
def test_secrets_in_any_shape_go_and_stay_gone(text: str) -> None:
    made = scrub_text(text)
    assert "hunter2" not in made
    assert FILTERED in made
    assert scrub_text(made) == made


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----",
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nlQOYBF\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
        "-----BEGIN PRIVATE KEY-----\\nlQOYBF\\n-----END PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\n" + "lQOYBF/abcdef+0\n" * 6000,
        "eyJhbGciOiJkaXIifQ.." + "lQOYBF" * 3 + "." + "lQOYBF" * 2000 + ".lQOYBF",
        "eyJhbGciOiJIUzI1NiJ9." + "lQOYBF" * 2000 + ".lQOYBF",
        "key sk-proj-lQOYBF0123456789abcd given",
        "github_pat_lQOYBF0123456789",
        "AIza" + "lQOYBF0" * 5,
        "https://hooks.slack.com/services/T0/B0/lQOYBF0123",
        "bot123456789:AAlQOYBF0123456789abcdefghijklmnopq",
        "Bearer lqoybfabcdeflqoybfabcdefgh",
    ],
)
def test_keys_and_tokens_by_their_look(text: str) -> None:
    assert "lqoybf" not in scrub_text(text).lower()


@pytest.mark.parametrize(
    "text",
    [
        f"order 17 {CARD}",
        "2026 4111 1111 1111 1111 x",
        "a 1 378282246310005",
        "4111\u00a01111\u00a01111\u00a01111",
    ],
)
def test_cards_behind_other_numbers(text: str) -> None:
    assert "1111" not in scrub_text(text).replace("\u00a0", "")
    assert "0005" not in scrub_text(text)


@pytest.mark.parametrize(
    "value",
    [
        [{"name": "Authorization", "value": SECRET}],
        {"env": [{"name": "DB_PASSWORD", "value": SECRET}]},
        {"key": "api_key", "value": {"deep": SECRET}},
        {"message": "login of %s with password=%s", "params": ["bob", SECRET]},
        {"message": "it is %(password)s", "formatted": f"it is password={SECRET}", "params": {"x": SECRET}},
        {"sys.argv": ["deploy", "--token", SECRET, "--size", "3"]},
        {"argv": ["'--api-key'", f"'{SECRET}'"]},
        {"stderr": [PEM[0], SECRET, PEM[-1], "after"]},
        {"kty": "RSA", "n": "public", "d": SECRET},
        [f"password={SECRET}", "failed"],
        {"release": f"shop@1 token={SECRET}"},
        {"timestamp": f"password={SECRET}", "event_id": f"token={SECRET}"},
        {"cards": [float(CARD)], "card": int(CARD)},
    ],
)
def test_nothing_is_left_in_other_shapes_of_json(value: Any) -> None:
    made = scrub(value)
    assert "hunter2" not in json.dumps(made.value)
    assert CARD not in json.dumps(made.value)
    assert made.where
    assert scrub(made.value).value == made.value


def test_what_stands_beside_them_stays() -> None:
    assert scrub({"stderr": ["a", *PEM, "b"]}).value == {"stderr": ["a", *[FILTERED] * 4, "b"]}
    assert scrub([{"name": "page", "value": "2"}, {"name": "page"}]).where == []
    assert scrub({"message": "%s of %s", "params": ["a", "b"]}).where == []
    argv = ["deploy", "--token", "x", "--size", "3"]
    assert scrub(argv).value == ["deploy", "--token", FILTERED, "--size", "3"]
    assert scrub({"kty": "RSA", "n": "public"}).where == []


@pytest.mark.parametrize(
    "text",
    [
        "unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
        "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "https://shop.example/?q=100%25&x=%20a&amp;b",
        "docker run -u 1000:1000 shop",
        "http://shop.example:8080/a@b",
        "<p>hello</p>",
        "[('page', '2'), ('size', '3')]",
        "git commit --author Anna -m x",
        "key: 7, id = 3, number: 5",
        "a -- b, 3 - 4",
        "basic training of bearers",
        '{"name": "page", "value": "2"}',
        "\x1b[31mred\x1b[0m",
    ],
)
def test_what_is_no_secret_stays_in_any_shape(text: str) -> None:
    assert scrub_text(text) == text


@pytest.mark.parametrize(
    "name",
    ["last_used_token", "PHPSESSID", "JSESSIONID", "ASP.NET_SessionId", "AccountKey", "APP_KEY", "subscription-key",
     "clientsecret",
     "connect.sid", "pw", "sig", "totp", "recovery_codes", "SAMLResponse", "changed_password", "mongo_uri"],
)  # fmt: skip
def test_more_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["token_used", "token_expires_at", "password_changed", "password_last_changed", "max_token_size", "app_keyboard",
     "signal",
     "design", "primary_key", "foreign_key", "cache_key", "key_count", "side", "server_name", "client_id", "region_code"],
)  # fmt: skip
def test_more_names_of_other_things(name: str) -> None:
    assert not is_secret_name(name)


def test_source_loses_what_is_written_in_brackets_only_where_something_is_quoted() -> None:
    assert SECRET not in scrub_source(f"TOKENS_SECRET = ['{SECRET}']")
    assert SECRET not in scrub_source(f"session.auth = ('bob', '{SECRET}')")
    assert scrub_source("session.auth = (user, password)") == "session.auth = (user, password)"
    assert scrub_source("secrets = {}") == "secrets = {}"
