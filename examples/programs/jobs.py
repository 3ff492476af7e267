"""A job table in PostgreSQL: `jobs.py producer` adds jobs, `jobs.py worker` takes them with SKIP LOCKED.

A worker killed in the middle of a job lets go of its row lock with its connection, so another takes the job: done exactly
once, as far as the database is concerned. While PostgreSQL is away both wait for it; they do not crash in a loop.
"""

import random
import sys

import psycopg
from lifecycle import asked_to_stop, notify, required, take_stop_signals, who

CREATE = """
CREATE TABLE IF NOT EXISTS job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number integer NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    done_by text,
    answer bigint
)
"""
INDEX = "CREATE INDEX IF NOT EXISTS job_waiting ON job (id) WHERE done_at IS NULL"
LOCK = "SELECT pg_advisory_xact_lock(8400)"
"""CREATE TABLE IF NOT EXISTS is not safe against itself; one at a time."""
ADD = "INSERT INTO job (number) VALUES (%s)"
WAITING = "SELECT count(*) FROM (SELECT 1 FROM job WHERE done_at IS NULL LIMIT 1000) AS waiting"
TAKE = "SELECT id, number FROM job WHERE done_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
DONE = "UPDATE job SET done_at = now(), done_by = %s, answer = %s WHERE id = %s"
FORGET = "DELETE FROM job WHERE done_at < now() - interval '10 minutes'"

TOO_MANY = 500


def main() -> None:
    work = {"producer": produce, "worker": take_jobs}[sys.argv[1]]
    url = required("EXAMPLE_DATABASE_URL")
    take_stop_signals()
    while True:
        try:
            with psycopg.connect(
                url, autocommit=True, connect_timeout=5, application_name=who()
            ) as connection:
                prepare(connection)
                notify("READY=1\nSTATUS=connected")
                work(connection)
                return
        except psycopg.OperationalError as error:
            notify("STATUS=waiting for PostgreSQL")
            sys.stderr.write(f"waiting for PostgreSQL: {str(error).splitlines()[0]}\n")
        if asked_to_stop(0.5):
            return


def prepare(connection: psycopg.Connection) -> None:
    with connection.transaction():
        connection.execute(LOCK)
        connection.execute(CREATE)
        connection.execute(INDEX)


def produce(connection: psycopg.Connection) -> None:
    """A few jobs a second, unless nobody does them."""
    while not asked_to_stop(1.0):
        row = connection.execute(WAITING).fetchone()
        waiting = 0 if row is None else int(row[0])
        if waiting < TOO_MANY:
            for _ in range(random.randint(1, 5)):
                connection.execute(ADD, [random.randint(10_000, 90_000)])
        connection.execute(FORGET)
        notify(f"STATUS={waiting} jobs waiting")


def take_jobs(connection: psycopg.Connection) -> None:
    """One job after the other, each in a transaction that holds its row."""
    done = 0
    while True:
        found = do_one(connection)
        done += found
        notify(f"STATUS={done} jobs done")
        if asked_to_stop(0.05 if found else 0.5):
            return


def do_one(connection: psycopg.Connection) -> bool:
    """Do the next job; False when there is none."""
    with connection.transaction():
        row = connection.execute(TAKE).fetchone()
        if row is None:
            return False
        job, number = row
        connection.execute(DONE, [who(), sum(range(0, number, 7)), job])
    sys.stdout.write(f"job {job} done\n")
    sys.stdout.flush()
    return True


if __name__ == "__main__":
    main()
