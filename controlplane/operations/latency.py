"""How long commands take, counted where they end, so that no command is missed and no retention makes the counts smaller."""

from datetime import datetime

from django.db import connection

BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ADD = """
INSERT INTO controlplane_actionlatency AS told (verb, bucket, total, seconds)
SELECT %(verb)s, width_bucket(took.seconds, %(bounds)s::float8[]), 1, took.seconds
FROM (SELECT extract(epoch FROM clock_timestamp() - %(since)s)::float8 AS seconds) AS took
ON CONFLICT (verb, bucket) DO UPDATE
SET total = told.total + 1,
    seconds = told.seconds + EXCLUDED.seconds"""
READ = "SELECT verb, bucket, total, seconds FROM controlplane_actionlatency ORDER BY verb, bucket"


def count_action(*, verb: str, since: datetime) -> None:
    """A command was carried out just now that was asked for at `since`; in the transaction that says so."""
    with connection.cursor() as cursor:
        cursor.execute(ADD, {"verb": verb, "bounds": list(BOUNDS_S), "since": since})


def histograms() -> dict[str, tuple[list[tuple[str, float]], float]]:
    """By verb: buckets as Prometheus has them (upper bound, how many took no longer), and the sum of seconds."""
    with connection.cursor() as cursor:
        cursor.execute(READ)
        rows = cursor.fetchall()
    told: dict[str, tuple[list[int], float]] = {}
    for verb, bucket, total, seconds in rows:
        counts, before = told.get(verb, ([0] * (len(BOUNDS_S) + 1), 0.0))
        counts[min(bucket, len(BOUNDS_S))] += total
        told[verb] = counts, before + seconds
    return {verb: (_cumulated(counts), seconds) for verb, (counts, seconds) in told.items()}


def _cumulated(counts: list[int]) -> list[tuple[str, float]]:
    names = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    return [(name, float(sum(counts[: number + 1]))) for number, name in enumerate(names)]
