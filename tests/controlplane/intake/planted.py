"""Secrets, each with a value of its own, and reports that they are planted in: in every place a report has for a text."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

Form = Callable[[str], Any]
"""How a secret is written around its value. Any: JSON."""

FORMS: tuple[Form, ...] = (
    lambda v: {"password": v},
    lambda v: {"buyer": {"inner": [{"clientSecret": v}]}},
    lambda v: {"buyer": f"{{'name': 'A', 'auth_token': '{v}'}}"},
    lambda v: {"settings": f"Settings(secret_key='{v}', debug=True)"},
    lambda v: {"items": f"[('api_key', '{v}'), ('page', '2')]"},
    lambda v: {"env": [{"name": "DB_PASSWORD", "value": v}]},
    lambda v: {"argv": ["deploy", "--token", v, "--size", "3"]},
    lambda v: {"raw": f"b'sessionid={v}; a=b'"},
    lambda v: f"login failed with password={v}",
    lambda v: f"GET https://shop.example/?page=2&access_token={v}#top",
    lambda v: f"user%5Bpassword%5D={v}&page=2",
    lambda v: quote(json.dumps({"apiKey": v})),
    lambda v: json.dumps({"order": {"client_secret": v}}),
    lambda v: json.dumps(json.dumps({"refresh_token": v})),
    lambda v: f"&quot;password&quot;: &quot;{v}&quot;",
    lambda v: f"postgresql://shop:{v}@db.example/shop",
    lambda v: f"amqps://shop:p@{v}@mq.example//",
    lambda v: f"https://{v * 2}@errors.example/1",
    lambda v: f"Authorization: Token {v}",
    lambda v: f"Cookie: theme=dark; remember={v}",
    lambda v: f"Bearer {v}0",
    lambda v: f"<password>{v}</password>",
    lambda v: f"-----BEGIN RSA PRIVATE KEY-----\n{v}\n-----END RSA PRIVATE KEY-----",
    lambda v: f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{v}\n-----END PGP PRIVATE KEY BLOCK-----",
    lambda v: f"eyJhbGciOiJIUzI1NiJ9.{v.replace('.', '')}.c2lnbmF0dXJl",
    lambda v: f"curl -u bob:{v} https://shop.example",
    lambda v: f"\x1b[31mapi_key\x1b[0m={v}",
    lambda v: f"Incorrect API key: {v}",
    lambda v: f"DB_PASS={v}\nDEBUG=1",
    lambda v: f"invalid password '{v}' for bob",
)
CARDS = (
    "4111111111111111",
    "5500 0055 5555 5559",
    "3782-822463-10005",
    "6011000990139424",
    "4012888888881881",
)


@dataclass
class Planted:
    """`values`: what must be found nowhere, and where each was planted."""

    values: dict[str, str] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def value(self, where: str) -> str:
        """One that is found by its letters alone, and looks like nothing."""
        made = f"plantedzq{next(self._numbers):05}x"
        self.values[made] = where
        return made

    def all(self, where: str) -> list[Any]:
        """Every form, each with a value of its own."""
        return [form(self.value(f"{where}, form {number}")) for number, form in enumerate(FORMS)]

    def texts(self, where: str) -> list[str]:
        """Those that are texts."""
        made = []
        for number, form in enumerate(FORMS):
            if isinstance(form(""), str):
                made.append(form(self.value(f"{where}, form {number}")))
        return made

    def left_in(self, text: str) -> dict[str, str]:
        """Those that are in the text, with where they were planted."""
        found = {value: where for value, where in self.values.items() if value in text}
        return found | {card: "card" for card in CARDS if card in text}

    def text(self, where: str, number: int = 8) -> str:
        """One form, of a text."""
        return str(FORMS[number](self.value(where)))


def event(planted: Planted, number: int) -> dict[str, Any]:
    """One event with secrets in all of its places."""
    texts = planted.texts
    logged = {"message": "password=%s of %s", "params": [planted.value("logged argument"), "bob"]}
    lines = [
        "-----BEGIN EC PRIVATE KEY-----",
        planted.value("lines of a key"),
        "-----END EC PRIVATE KEY-----",
    ]
    raised = {"type": "ValueError", "value": " and ".join(texts("message")), "module": "shop"}
    user = {"id": planted.text("user"), "username": planted.text("username", 15)}
    trace = {"trace_id": "a" * 32, "span_id": planted.text("span")}
    return {
        "event_id": f"{number:032x}",
        "platform": "python",
        "level": "error",
        "timestamp": "2026-11-28T12:00:00Z",
        "release": f"shop@1 token={planted.value('release')}",
        "environment": f"prod password={planted.value('environment')}"[:64],
        "server_name": planted.text("server name"),
        "logger": planted.text("logger"),
        "transaction": planted.text("transaction", 9),
        "exception": {
            "values": [
                {**raised, "stacktrace": {"frames": _frames(planted)}},
                *({"type": "KeyError", "value": each} for each in texts("cause")),
            ]
        },
        "logentry": {**logged, "formatted": planted.text("formatted")},
        "breadcrumbs": {
            "values": [
                *({"category": "http", "message": each} for each in texts("breadcrumb")),
                *({"category": "http", "data": {"x": each}} for each in planted.all("data of a breadcrumb")),
                {"category": "query", "message": f"ALTER USER bob IDENTIFIED BY '{planted.value('SQL')}'"},
            ]
        },
        "request": _request(planted),
        "user": {**user, "data": planted.all("data of a user")},
        "tags": {
            "api_key": planted.value("tag"),
            "note": planted.text("tag"),
            planted.text("name of a tag"): "x",
        },
        "extra": {"stderr": lines, "more": planted.all("extra")},
        "contexts": {"trace": trace, "shop": {"all": planted.all("context")}},
        "modules": {planted.text("module"): "1"},
        "fingerprint": ["{{ default }}", planted.text("fingerprint")],
        "sdk": {"name": "sentry.python", "version": planted.text("version of an SDK")},
        "_meta": {"user": {"": {"rem": [[planted.text("note of an SDK"), "x"]]}}},
    }


def _frames(planted: Planted) -> list[dict[str, Any]]:
    own = {"module": "shop", "in_app": True}
    numbers = [*CARDS, 4111111111111111, 4012888888881881.0]
    return [
        {
            **own,
            "function": "load",
            "abs_path": planted.text("path", 9),
            "filename": planted.text("filename", 15),
            "lineno": 3,
            "context_line": f"connect(password='{planted.value('source line')}')",
            "pre_context": [
                f"API_KEY = '{planted.value('source before')}'",
                f"x = ['--token', '{planted.value('source list')}']",
            ],
            "post_context": [f"session.auth = ('bob', '{planted.value('source behind')}')"],
            "vars": {f"local{place}": each for place, each in enumerate(planted.all("locals"))},
        },
        {**own, "function": "save", "vars": {"password": f"'{planted.value('local')}'", "cards": numbers}},
        {**own, "function": "deep", "vars": {"a": {"b": {"c": {"d": planted.all("nested locals")}}}}},
    ]


def _request(planted: Planted) -> dict[str, Any]:
    user, query = planted.value("URL"), planted.value("URL query")
    return {
        "url": f"https://bob:{user}@shop.example/?token={query}",
        "query_string": f"page=2&api%5Fkey={planted.value('query string')}",
        "headers": [
            ["Authorization", f"Basic {planted.value('header')}"],
            ["X-Api-Key", planted.value("header")],
            ["X-Forwarded-Url", planted.text("header", 9)],
            ["Referer", planted.text("header", 9)],
        ],
        "cookies": {"theme": planted.value("cookie"), "PHPSESSID": planted.value("cookie")},
        "data": {
            "form": planted.all("body"),
            "card": {"number": CARDS[0]},
            "text": f"card {CARDS[1]} or {CARDS[2]}",
        },
        "env": {"DATABASE_URL": planted.value("environ"), "REQUEST_URI": planted.text("environ", 9)},
    }


def envelope(planted: Planted, number: int) -> bytes:
    """An event with its files."""
    plain = "\n".join(planted.texts("file")).encode()
    old = (f"größe=1\npassword={planted.value('old file')}\n").encode("latin-1")
    wide = f"password={planted.value('wide file')}\n".encode("utf-16")
    items: list[tuple[dict[str, Any], bytes]] = [
        ({"type": "event"}, json.dumps(event(planted, number)).encode())
    ]
    for place, data in enumerate((plain, old, wide)):
        name, kind = f"{place} {planted.text('name of a file')}", planted.text("type of a file")
        head = {"type": "attachment", "length": len(data), "filename": name, "content_type": kind}
        items.append((head, data))
    return _envelope(items, number)


def others(planted: Planted, number: int) -> bytes:
    """What comes beside events."""
    attributes = {
        "release": f"shop@2 password={planted.value('release of a run')}",
        "environment": planted.text("environment of a run"),
        "user_agent": planted.text("agent of a run"),
    }
    session = {
        "sid": "a" * 32,
        "init": True,
        "did": planted.text("who ran it"),
        "status": "ok",
        "attrs": attributes,
    }
    reason, category = f"password={planted.value('reason')}", f"token={planted.value('category')}"
    report = {"discarded_events": [{"reason": reason, "category": category, "quantity": 3}]}
    bodies: list[tuple[str, Any]] = [
        ("check_in", check_in(planted)),
        ("session", session),
        ("client_report", report),
    ]
    return _envelope([({"type": kind}, json.dumps(body).encode()) for kind, body in bodies], number)


def transaction(planted: Planted, number: int, name: str) -> bytes:
    body = {
        "transaction": name,
        "start_timestamp": 100.0,
        "timestamp": 100.5,
        "contexts": {
            "trace": {
                "op": f"token={planted.value('kind of a transaction')}",
                "status": planted.text("status"),
            }
        },
        "spans": [{"description": each} for each in planted.texts("span")],
        "request": {"data": planted.all("body of a transaction")},
    }
    return _envelope([({"type": "transaction"}, json.dumps(body).encode())], number)


def check_in(planted: Planted) -> dict[str, Any]:
    return {
        "check_in_id": "b" * 32,
        "monitor_slug": f"nightly token={planted.value('slug')}",
        "status": "ok",
        "environment": f"password={planted.value('environment of a check-in')}",
        "release": f"shop@3 secret={planted.value('release of a check-in')}",
        "monitor_config": {
            "schedule": {"type": "crontab", "value": "0 3 * * *", "api_key": planted.value("schedule")},
            "timezone": f"UTC token={planted.value('zone')}",
        },
        "contexts": {"x": planted.all("context of a check-in")},
    }


def of_browser(planted: Planted) -> dict[str, Any]:
    path, query = f"reset/token={planted.value('path of a page')}", f"secret={planted.value('page')}"
    blocked = f"evil.example/a.js?password={planted.value('blocked')}"
    return {
        "csp-report": {
            "document-uri": f"https://shop.example/{path}?{query}",
            "referrer": f"https://bob:{planted.value('referrer')}@shop.example/",
            "effective-directive": f"script-src token={planted.value('directive')}",
            "original-policy": f"default-src https://x.example/?api_key={planted.value('policy')}",
            "blocked-uri": f"https://bob:{planted.value('blocked')}@{blocked}",
            "source-file": planted.text("file of a script", 9),
            "script-sample": f"login({{password: '{planted.value('sample')}'}})",
        }
    }


def _envelope(items: list[tuple[dict[str, Any], bytes]], number: int) -> bytes:
    header = json.dumps({"event_id": f"{number:032x}"}).encode()
    return header + b"".join(b"\n" + json.dumps(head).encode() + b"\n" + body for head, body in items)
