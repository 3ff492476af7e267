"""Makes `pairs.json`: pairs of error events, and whether both are one bug. Run by hand; needs sentry-sdk.

Every event is a real one. A small program fails inside a package from PyPI, an unmodified SDK reports it, and the report is
kept as it was, without local variables. Then its source, or what it is given, is changed by one of TRANSFORMATIONS
and it fails again. The label says what a person would say who has to mend it: *same*, if one repair ends both. It is given
by the transformation, before and without any rule of grouping.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CASES: dict[str, tuple[str, str]] = {
    "requests": ("import requests", "requests.get(f'http://127.0.0.1:{{PORT}}/orders/{{order}}', timeout=1)"),
    "urllib3": (
        "import urllib3",
        "urllib3.PoolManager(retries=0).request('GET', f'http://127.0.0.1:{{PORT}}/' + str(order))",
    ),
    "redis": ("import redis", "redis.Redis(port=PORT, socket_connect_timeout=1).get(f'order:{{order}}')"),
    "psycopg": (
        "import psycopg",
        "psycopg.connect(host='127.0.0.1', port=PORT, dbname=f'shop{{order}}', connect_timeout=1)",
    ),
    "kombu": (
        "import kombu",
        "kombu.Connection(f'redis://127.0.0.1:{{PORT}}//').ensure_connection(max_retries=1, timeout=1)",
    ),
    "jsonschema": (
        "import jsonschema",
        "jsonschema.validate({{'order': order}}, {{'properties': {{'order': {{'type': 'string'}}}}}})",
    ),
    "yaml": ("import yaml", "yaml.safe_load(f'order: [{{order}}')"),
    "dateutil": ("from dateutil import parser", "parser.parse(f'day {{order}} of never')"),
    "click": ("import click", "click.IntRange(10**9)(order)"),
    "django_template": (
        "import django.template, django.template.engine",
        "django.template.engine.Engine().from_string('{{% order_' + str(order) + ' %}}')",
    ),
    "django_urls": (
        "from django.urls import URLResolver\nfrom django.urls.resolvers import RegexPattern",
        "URLResolver(RegexPattern(r'^/'), []).reverse(f'order-{{order}}', order)",
    ),
    "werkzeug": (
        "from werkzeug.routing import Map, Rule",
        "Map([Rule('/x', endpoint='x')]).bind('shop.example').build(f'order-{{order}}', {{'id': order}})",
    ),
    "h11": ("import h11", "h11.Connection(h11.CLIENT).send(h11.Data(data=str(order).encode()))"),
    "msgpack": ("import msgpack", "msgpack.unpackb(bytes([0xc1]) + str(order).encode())"),
    "dictionary": ("PRICES: dict[int, int] = {{}}", "PRICES[order]"),
    "recursion": ("", "{name}(order + 1) if order < LIMIT else 1 // 0"),
}
"""A program's imports, and what it does with an order: each raises."""

SOURCE = """import os
{imports}

PORT, LIMIT = int(os.environ["PORT"]), int(os.environ["LIMIT"])
{pad}

class OrderFailed(Exception):
    pass

{pad}
def {name}(order):
{indent}{body}

{pad}
def other_place(order):
    order = int(order)
    return {body}

{pad}
def handle(order):
    return {target}(order)

{pad}
def handle_chained(order):
    try:
        return {target}(order)
    except Exception as error:
        raise OrderFailed(f"order {{order}}") from error

{pad}
def handle_nightly(orders):
    for order in orders:
        {target}(order)
"""

MAIN = """import json, os, sys
import sentry_sdk
from sentry_sdk.transport import Transport

class Keep(Transport):
    def capture_envelope(self, envelope):
        event = envelope.get_event()
        if event is not None:
            json.dump(event, sys.stdout, default=str)

sentry_sdk.init(dsn="http://key@127.0.0.1/1", transport=Keep, include_local_variables=False, default_integrations=False,
    project_root=os.getcwd())
from shop import {case} as orders
try:
    order = int(sys.argv[1])
    orders.{entry}({argument})
except BaseException:
    sentry_sdk.capture_exception()
"""


@dataclass(frozen=True)
class Program:
    """One version of a program."""

    case: str
    name: str = "load_order"
    order: int = 1
    port: int = 1
    depth: int = 3
    pad: str = ""
    indent: str = "    return "
    target: str = ""
    entry: str = "handle"

    def source(self) -> str:
        imports, body = CASES[self.case]
        return SOURCE.format(
            imports=imports.format(),
            pad=self.pad,
            name=self.name,
            indent=self.indent,
            body=body.format(name=self.name),
            target=self.target or self.name,
        )


def event(program: Program) -> dict[str, Any]:
    """What the SDK reports of a failing run."""
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory, "shop")
        package.mkdir()
        (package / "__init__.py").touch()
        (package / f"{program.case}.py").write_text(program.source())
        argument = "[order]" if program.entry == "handle_nightly" else "order"
        main = Path(directory, "main.py")
        main.write_text(MAIN.format(case=program.case, entry=program.entry, argument=argument))
        told = {**os.environ, "PORT": str(program.port), "LIMIT": str(program.order + program.depth)}
        command = [sys.executable, str(main), str(program.order)]
        ran = subprocess.run(command, cwd=directory, env=told, capture_output=True, text=True)
        if ran.returncode or not ran.stdout:
            raise SystemExit(f"{program} did not fail as it should: {ran.stderr}")
        found = json.loads(ran.stdout)
        return _kept(found, directory)


def _kept(found: dict[str, Any], directory: str) -> dict[str, Any]:
    """What grouping may look at, without the paths of the machine it ran on."""
    kept: dict[str, Any] = {key: found[key] for key in ("platform", "level", "exception") if key in found}
    for exception in kept["exception"]["values"]:
        exception.pop("mechanism", None) if exception.get("mechanism", {}).get("type") == "generic" else None
        for frame in exception.get("stacktrace", {}).get("frames", []):
            frame.pop("pre_context", None)
            frame.pop("post_context", None)
            path = frame.get("abs_path", "")
            if path.startswith(directory):
                frame["abs_path"] = "/srv" + path.removeprefix(directory)
            elif "site-packages/" in path:
                frame["abs_path"] = (
                    "/venv/lib/python3.11/site-packages/" + path.partition("site-packages/")[2]
                )
            elif path:
                frame["abs_path"] = "/usr/lib/python3.11/" + path.rpartition("/python3.11/")[2]
    return kept


PAD = "\n# Moved down by a comment.\n\n\n"
TRANSFORMATIONS: dict[str, tuple[bool, dict[str, Any]]] = {
    "moved lines": (True, {"pad": PAD}),
    "other ids": (True, {"order": 90417, "port": 9}),
    "other ids and moved lines": (True, {"order": 7, "port": 2, "pad": PAD}),
    "reformatted": (True, {"indent": "    return   "}),
    "renamed function": (True, {"name": "fetch_order"}),
    "other caller": (False, {"entry": "handle_nightly"}),
    "other place": (False, {"target": "other_place"}),
}
"""Label and change of each."""


def pairs() -> Iterator[dict[str, Any]]:
    for case in CASES:
        base = Program(case)
        first = event(base)
        for transformation, (same, change) in TRANSFORMATIONS.items():
            yield _pair(case, transformation, same, first, event(replace(base, **change)))
    yield _pair(
        "recursion",
        "deeper recursion",
        True,
        event(Program("recursion")),
        event(Program("recursion", depth=9)),
    )
    cases = list(CASES)
    for case, other in zip(cases, [*cases[1:], cases[0]], strict=True):
        chained = event(Program(case, entry="handle_chained"))
        again = event(Program(case, entry="handle_chained", order=5512, port=7))
        yield _pair(case, "other ids, chained", True, chained, again)
        yield _pair(case, "other cause", False, chained, event(Program(other, entry="handle_chained")))
        yield _pair(case, "other program", False, event(Program(case)), event(Program(other)))


def _pair(
    case: str, transformation: str, same: bool, one: dict[str, Any], other: dict[str, Any]
) -> dict[str, Any]:
    print(case, transformation, flush=True)
    return {"case": case, "transformation": transformation, "same": same, "events": [one, other]}


if __name__ == "__main__":
    path = Path(__file__).with_name("pairs.json")
    path.write_text("[\n" + ",\n".join(json.dumps(pair) for pair in pairs()) + "\n]\n")
