"""Take in a burst of 1,000 starting children, then single records; times in seconds as JSON on stdout.

In an interpreter of its own, because Django reads its settings once: DATABASE_URL says where the rows go.
"""

import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ["DJANGO_SETTINGS_MODULE"] = "controlplane.settings"

CHILDREN = 1000
BATCH = 1000
"""Records that a courier sends at a time."""


def main(rounds: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from bench.burst import Burst
    from supervision.fleet.models import Node
    from supervision.journal import services
    from supervision.journal.replica import Replica

    call_command("migrate", verbosity=0)
    node = Node.objects.create(id="b" * 32, name="bench", joined_at=timezone.now())
    bursts, singles = [], []
    for epoch in range(1, rounds + 1):
        burst, replica = Burst(CHILDREN, name=f"burst{epoch}"), Replica()

        def take(records: list[dict[str, object]], epoch: int = epoch, replica: Replica = replica) -> None:
            batch = replica.fold(records)
            services.ingest(node_id=node.id, stream_epoch=epoch, epoch=1, batch=batch)

        began = time.monotonic()
        for start in range(0, len(burst.records), BATCH):
            take(burst.records[start : start + BATCH])
        bursts.append(time.monotonic() - began)
        for number in range(50):
            for record in burst.crash(f"burst{epoch}/c{number}"):
                began = time.monotonic()
                take([record])
                singles.append(time.monotonic() - began)
    print(json.dumps({"bursts": bursts, "singles": singles}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
