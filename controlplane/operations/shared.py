"""A look at what the fleet shares: Redis's keys and listeners, PostgreSQL's connections, processes that lost their owner.

Bounded whatever there is: so many keys of each database (SCAN goes by hash, so what is seen is a sample of the rest, and
counts are scaled up), so many channels, one query. Of the Redis server that REDIS_URL names every database is looked at,
for a fleet's broker often has a number of its own there; another server is not known here.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from redis.exceptions import RedisError

from supervision.journal.models import Stray
from supervision.leaks.shared import RULES, Kind, Measure, pattern_of
from supervision.leakwatch.models import SharedLeak
from supervision.leakwatch.shared import record_look

MOST_DATABASES = 4
PAGE, PAGES = 1000, 20
MOST_CHANNELS = 20_000
LEAST_COUNTED = 5
"""Fewer of a kind are no series: most patterns of keys are one key."""
IDLE_S = 60
STRAYS_WITHIN = timedelta(minutes=10)
LIMIT_S = 2.0
REDIS_KINDS = (Kind.KEYS, Kind.CHANNELS, Kind.SUBSCRIBERS)

CONNECTIONS = """
WITH seen AS (
    SELECT COALESCE(NULLIF(application_name, ''), 'a program without a name') AS name,
           COALESCE(datname, '') AS database,
           COALESCE(usename, '') AS username,
           pid,
           extract(epoch FROM clock_timestamp() - backend_start) AS age_s,
           CASE WHEN state LIKE 'idle in transaction%%'
               THEN extract(epoch FROM clock_timestamp() - state_change) END AS idle_s
    FROM pg_stat_activity
    WHERE backend_type = 'client backend'
)
SELECT name, database, username, count(*),
       count(*) FILTER (WHERE idle_s > %(idle)s),
       max(idle_s),
       max(age_s),
       array_agg(pid ORDER BY idle_s DESC) FILTER (WHERE idle_s > %(idle)s)
FROM seen
GROUP BY name, database, username
ORDER BY count(*) DESC, name
LIMIT 200
"""
"""Connections by program; those whose transaction sits idle for longer than is normal apart."""


def look_at_shared(*, now: datetime) -> list[SharedLeak]:
    """One look; what is found with it. A Redis that is away leaves what is known of it as it was."""
    measures: list[Measure] = [*postgres_measures(), *stray_measures(now)]
    looked = {Kind.CONNECTIONS, Kind.IDLE, Kind.STRAYS}
    try:
        measures += redis_measures(settings.CONNECTIONS.redis_url)
        looked |= set(REDIS_KINDS)
    except (RedisError, OSError):
        pass  # its own checks say that it is away
    return record_look(measures, looked=looked, now=now)


# -- Redis --------------------------------------------------------------------------------------------------------------


def redis_measures(url: str) -> list[Measure]:
    """Of every database of the server; raises RedisError, OSError."""
    with _client(url) as client:
        numbers = sorted(int(name[2:]) for name in client.info("keyspace") if name.startswith("db"))
        listeners = [*_channels(client), *_subscribers(client)]
    found: list[Measure] = []
    for number in numbers[:MOST_DATABASES]:
        with _client(url, db=number) as client:
            found += _keys(client, number)
    return found + listeners


def _client(url: str, *, db: int | None = None) -> redis.Redis:
    """One connection, no second try. `db` in the place of the one that the URL says, which redis-py would prefer."""
    client = redis.Redis.from_url(
        url, socket_timeout=LIMIT_S, socket_connect_timeout=LIMIT_S, decode_responses=True,
        encoding_errors="replace", client_name="overstory-look",
    )  # fmt: skip
    if db is not None:
        client.connection_pool.connection_kwargs["db"] = db
    return client


@dataclass(slots=True)
class _Pattern:
    count: int = 0
    example: str = ""


def _keys(client: redis.Redis, number: int) -> Iterator[Measure]:
    """Keys without a time to live, by pattern."""
    patterns: dict[str, _Pattern] = {}
    cursor, seen, pages = 0, 0, 0
    while pages < PAGES:
        cursor, page = client.scan(cursor, count=PAGE)
        names = [str(name) for name in page]
        pages += 1
        seen += len(names)
        for name, left_ms in zip(names, _left_ms(client, names), strict=True):
            if left_ms == -1:
                one = patterns.setdefault(pattern_of(name), _Pattern())
                one.count += 1
                one.example = name
        if cursor == 0:
            break
    scale = 1.0 if cursor == 0 or not seen else max(1.0, client.dbsize() / seen)
    for pattern, one in patterns.items():
        if one.count >= LEAST_COUNTED and "*" in pattern:
            evidence = {"type": client.type(one.example), "database": number, "sampled": scale > 1.0}
            yield Measure(Kind.KEYS, f"{pattern} in database {number}", round(one.count * scale), evidence)


def _left_ms(client: redis.Redis, names: list[str]) -> list[int]:
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.pttl(name)
        return list(pipeline.execute())


def _channels(client: redis.Redis) -> Iterator[Measure]:
    """Channels that have subscribers, by pattern. A server with more than can be listed is counted as one subject."""
    total = int(client.info("stats").get("pubsub_channels", 0))
    if total > MOST_CHANNELS:
        yield Measure(Kind.CHANNELS, "*", total)
        return
    counted = Counter(pattern_of(str(name)) for name in client.pubsub_channels())
    for pattern, count in counted.items():
        if count >= LEAST_COUNTED:
            yield Measure(Kind.CHANNELS, pattern, count)


def _subscribers(client: redis.Redis) -> Iterator[Measure]:
    """Connections that listen, by what they call themselves and from where."""
    counted: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for one in client.client_list(_type="pubsub"):
        who = f"{pattern_of(one.get('name') or 'a program without a name')} from {_host(one.get('addr', ''))}"
        counted[who] += 1
        held[who] += int(one.get("sub", 0)) + int(one.get("psub", 0))
    for who, count in counted.items():
        if count >= LEAST_COUNTED:
            yield Measure(Kind.SUBSCRIBERS, who, count, {"subscriptions": held[who]})


def _host(address: str) -> str:
    return re.sub(r":\d+$", "", address) or "a unix socket"


# -- PostgreSQL ---------------------------------------------------------------------------------------------------------


def postgres_measures(*, idle_s: float = IDLE_S) -> list[Measure]:
    """Of the whole server, as far as our user may see it. `idle_s`: a transaction may sit idle for so long."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # inside a transaction the view would stand still
        cursor.execute(CONNECTIONS, {"idle": idle_s})
        rows = cursor.fetchall()
    found = []
    for name, database, user, count, idle, idle_s, oldest_s, pids in rows:
        who = f"{name} ({user} on {database})"[:200]
        evidence = {"oldest_s": _rounded(oldest_s)}
        if count >= LEAST_COUNTED:
            found.append(Measure(Kind.CONNECTIONS, who, count, evidence))
        if idle:
            more = {"pids": list(pids or ())[:10], "longest_s": _rounded(idle_s)}
            found.append(Measure(Kind.IDLE, who, idle, evidence | more, is_wrong=True))
    return found


def _rounded(seconds: Any) -> float | None:
    """Any: a number of the driver's."""
    return None if seconds is None else round(float(seconds), 1)


# -- orphans --------------------------------------------------------------------------------------------------------------


def stray_measures(now: datetime) -> Iterable[Measure]:
    """Processes that lost their owner lately, by node and command."""
    rows = Stray.objects.filter(first_seen__gt=now - STRAYS_WITHIN).select_related("node").order_by("-pk")
    counted: Counter[str] = Counter()
    for row in rows[:MOST_CHANNELS]:
        command = " ".join(str(word) for word in row.command[:2]) or "an unnamed command"
        counted[f"{pattern_of(command)} on {row.node.name}"[:255]] += 1
    for who, count in counted.items():
        yield Measure(Kind.STRAYS, who, count, is_wrong=count >= RULES[Kind.STRAYS].least)
