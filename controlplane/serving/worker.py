"""The platform's Celery worker: `python -m controlplane.serving.worker`.

Ready when it consumes, not when it runs. Its flags are DESIGN 8's: no mingle and no gossip (nothing of ours depends on what
workers tell each other), one message taken ahead, no remote control; scaling is by whole workers.
"""

from celery.signals import worker_ready, worker_shutting_down

from controlplane.celery import PLATFORM_QUEUE, app
from controlplane.serving import notify

CONCURRENCY = 2
"""Two, so that a webhook that hangs until its deadline does not hold back the clean-up."""


def main() -> None:
    heart = notify.Heart()

    def is_ready(**_: object) -> None:
        notify.ready(f"consumes {PLATFORM_QUEUE}")
        heart.start()

    def stops(**_: object) -> None:
        notify.tell("STOPPING=1", "STATUS=finishing its tasks")

    worker_ready.connect(is_ready, weak=False)
    worker_shutting_down.connect(stops, weak=False)
    app.worker_main(
        [
            "worker",
            "--without-mingle",
            "--without-gossip",
            "--loglevel=WARNING",
            f"--queues={PLATFORM_QUEUE}",
            f"--concurrency={CONCURRENCY}",
            "--hostname=platform@%h",
        ]
    )


if __name__ == "__main__":
    main()
