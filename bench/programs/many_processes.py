"""Ten nodes that are not there, with 1,000 processes each: their rows, and what couriers and samplers would say of them.

    python -m bench.programs.many_processes VIEWERS [NODES]

Writes the rows and as many users, prints their tokens as one line of JSON, and goes on until it is ended: 2,000 processes
change each second, 100 of them because they were killed and started again (rows in PostgreSQL, and a hint), the others in
what they use (a sampler's frame of all the node's children each second, of which a fifth have other numbers).
"""

import json
import random
import sys
import time
from datetime import UTC, datetime, timedelta

import django
import orjson
import psycopg
import redis

django.setup()

from django.conf import settings  # noqa: E402 - not before setup
from django.contrib.auth.models import User  # noqa: E402
from django.utils import timezone  # noqa: E402

from controlplane.access.credentials import digest, new_token  # noqa: E402
from controlplane.access.models import Grant, Token  # noqa: E402
from controlplane.courier.sampling import HINT, SAMPLES  # noqa: E402
from supervision.fleet.models import Node  # noqa: E402
from supervision.journal.models import ObservedChild  # noqa: E402

NODES = [f"many{number}" for number in range(int(sys.argv[2]) if len(sys.argv) > 2 else 10)]
CHILDREN = 1000
"""Of each node."""
USE_CHANGES = 190
RESTARTS = 10
"""Of each node, each second."""
PROCESSES = [
    (f"tree{n % 5}", f"tree{n % 5}/group{n % 40}/child{n}", f"tree{n % 5}/group{n % 40}")
    for n in range(CHILDREN)
]
RESTARTED = """
UPDATE supervision_observedchild AS child
SET incarnation = child.incarnation + 1,
    pid = child.pid %% 30000 + 1,
    restarts = child.restarts + 1,
    since = to_timestamp(%(at)s),
    last_exit_at = to_timestamp(%(at)s),
    last_exit_incarnation = child.incarnation,
    last_exit_reason = 'signal(9)',
    seq = changed.seq
FROM unnest(%(keys)s::text[], %(seqs)s::bigint[]) AS changed (key, seq)
WHERE child.node_id = %(node)s AND child.key = changed.key
"""
"""Children that were killed and are running again."""


def fill() -> None:
    now = timezone.now()
    for name in NODES:
        node = Node.objects.create(id=name, name=name, joined_at=now, renewed_at=now)
        ObservedChild.objects.bulk_create(
            [
                ObservedChild(
                    node=node,
                    tree=tree,
                    key=key,
                    parent=parent,
                    position=n,
                    child_id=f"child{n}",
                    state="running",
                    since=now,
                    pid=n + 1,
                    incarnation=1,
                    seq=1,
                    command=["/usr/bin/python3", "-m", "shop.worker", "--queue", f"q{n % 8}"],
                )
                for n, (tree, key, parent) in enumerate(PROCESSES)
            ],
            batch_size=1000,
        )


def tokens(viewers: int) -> list[str]:
    """A token of each of as many new users, who may see everything."""
    made = []
    now = timezone.now()
    for number in range(viewers):
        user = User.objects.create_user(f"viewer{number}")
        Grant.objects.create(user=user, role="viewer", tree="")
        text = new_token()
        Token.objects.create(
            user=user,
            name="viewer",
            token_hash=digest(text),
            prefix=text[:10],
            scopes=["read"],
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
        made.append(text)
    return made


class Sampled:
    """What a node's children use, as its sampler says it."""

    def __init__(self) -> None:
        self.keys = [key for _tree, key, _parent in PROCESSES]
        self.cpu = [round(random.uniform(0, 0.2), 4) for _ in self.keys]
        self.rss = [random.randrange(20_000, 60_000) * 4096 for _ in self.keys]
        self.fds = [random.randrange(8, 40) for _ in self.keys]

    def change(self, number: int) -> None:
        """Let `number` children use something else than before."""
        for at in random.sample(range(len(self.keys)), number):
            self.cpu[at] = round(random.uniform(0, 0.2), 4)
            self.rss[at] += random.randrange(-20, 21) * 4096

    def frame(self, at: float) -> bytes:
        """Of one second. at: Unix seconds."""
        body = {
            "at": round(at, 3),
            "key": self.keys,
            "cpu": self.cpu,
            "rss": self.rss,
            "pss": self.rss,
            "fds": self.fds,
            "threads": [4] * len(self.keys),
            "children": [0] * len(self.keys),
        }
        return orjson.dumps(body)


def feed() -> None:
    """Until it is ended: one node's second after the other's, evenly spread."""
    client = redis.Redis.from_url(settings.LIVE_REDIS_URL, socket_timeout=10, socket_connect_timeout=10)
    sampled = {name: Sampled() for name in NODES}
    seqs = dict.fromkeys(NODES, 1)
    with psycopg.connect(settings.CONNECTIONS.database_url, autocommit=True, connect_timeout=10) as database:
        due = time.monotonic()
        while True:
            for name in NODES:
                keys = random.sample(sampled[name].keys, RESTARTS)
                first = seqs[name] + 1
                seqs[name] += RESTARTS
                at = datetime.now(UTC).timestamp()
                numbers = list(range(first, first + RESTARTS))
                database.execute(RESTARTED, {"at": at, "node": name, "keys": keys, "seqs": numbers})
                client.publish(HINT, json.dumps({"node": name, "seq": seqs[name]}))
                sampled[name].change(USE_CHANGES)
                client.publish(SAMPLES + name, sampled[name].frame(at))
                due += 1 / len(NODES)
                time.sleep(max(0.0, due - time.monotonic()))


if __name__ == "__main__":
    fill()
    print(json.dumps(tokens(int(sys.argv[1]))), flush=True)
    feed()
