"""The beat: `python -m controlplane.serving.beat`. Ready once it knows whether it leads; its status line says which."""

import logging
import os
import signal
import socket

import django

from controlplane.serving import notify
from controlplane.serving.loading import loading


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    with loading():
        django.setup()
        from controlplane.operations.beat import Beat, publish_task  # rows can be named only now

    beat = Beat(f"{socket.gethostname()}:{os.getpid()}", publish_task)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: beat.ended.set())
    said = ""

    def after_turn() -> None:
        nonlocal said
        status = "leads" if beat.term is not None else "waits for the lease"
        if status == said:
            notify.alive()
        else:
            notify.ready(status)
        said = status

    beat.run(after_turn)


if __name__ == "__main__":
    main()
