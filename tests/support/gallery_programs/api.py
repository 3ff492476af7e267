"""A small service of the gallery's fleet: it answers, writes a log, and reports errors now and then.

api.py serve PORT | steady NAME | crash SECONDS | fail
"""

import http.server
import itertools
import sys
import threading
import time

import sentry_sdk

ORDERS: tuple[dict[str, object], ...] = (
    {"id": 41, "total": "12.50"},
    {"id": 42},
    {"id": 43, "total": "free"},
)

PATHS = ("GET /orders/{id}", "GET /orders/{id}", "POST /orders", "GET /stock")


class Health(http.server.BaseHTTPRequestHandler):
    """Well, but for the part that the gallery shows as unhealthy."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/warehouse" else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Checks are no news."""


def total(order: dict[str, object]) -> float:
    return float(str(order["total"]))


def checkout(number: int) -> None:
    """Every third order is fine."""
    try:
        total(ORDERS[number % len(ORDERS)])
    except (KeyError, ValueError) as error:
        sys.stderr.write(f"ERROR order {number} could not be charged: {error!r}\n")
        sentry_sdk.capture_exception(error)


def serve(port: int) -> None:
    sentry_sdk.init(traces_sample_rate=1.0)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for number in itertools.count(1):
        sys.stdout.write(f"INFO GET /orders/{number} 200 in {7 + number % 5} ms\n")
        if number % 7 == 0:
            sys.stdout.write(f"WARNING order {number}: the bank answers slowly\n")
        with sentry_sdk.start_transaction(op="http.server", name=PATHS[number % len(PATHS)]):
            time.sleep(0.02 * (1 + number % 5))
        if number % 10 == 0:
            checkout(number // 10)
        sys.stdout.flush()
        time.sleep(0.35)


def steady(name: str) -> None:
    for number in itertools.count(1):
        sys.stdout.write(f"INFO {name}: batch {number} written\n")
        sys.stdout.flush()
        time.sleep(2)


def main() -> None:
    match sys.argv[1:]:
        case ["serve", port]:
            serve(int(port))
        case ["steady", name]:
            steady(name)
        case ["crash", seconds]:
            time.sleep(float(seconds))
            raise ConnectionRefusedError("the ledger at 10.0.0.7 does not answer")
        case ["fail"]:
            raise SystemExit("no feed was found for today")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
