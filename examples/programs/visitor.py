"""Visits the greeter once a second and says when it had to wait: `visitor.py URL`."""

import sys
import time
import urllib.request

from lifecycle import asked_to_stop, notify, take_stop_signals

SLOW_S = 0.2


def main() -> None:
    url = sys.argv[1]
    take_stop_signals()
    notify("READY=1")
    visits = 0
    while not asked_to_stop(1.0):
        began = time.monotonic()
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                text = reply.read().decode().strip()
        except OSError as error:
            text = f"no answer: {error}"
        waited = time.monotonic() - began
        visits += 1
        notify(f"STATUS={visits} visits")
        if waited > SLOW_S or text.startswith("no answer"):
            sys.stdout.write(f"{waited:.2f} s: {text}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
