"""Where the two stores are: given by DATABASE_URL and REDIS_URL, else the embedded ones.

The one module that knows; Django, Celery and the examples all ask here, each for the form it needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from psycopg.conninfo import conninfo_to_dict

from controlplane.given import given
from supervision.runtime.paths import Paths

DATABASE = "overstory"
ROLE = "overstory"
EXAMPLES_DATABASE = "examples"
EXAMPLES_ROLE = "examples"
"""The examples own a database and a role of their own, without a right on Overstory's."""
REDIS_SOCKET = "redis.sock"
REDIS_EXAMPLES_DB = 1


def postgres_url(socket_dir: Path, *, role: str, database: str) -> str:
    return f"postgresql://{role}@/{database}?host={quote(str(socket_dir), safe='')}"


def redis_url(socket: Path, *, db: int) -> str:
    return f"unix://{quote(str(socket))}?db={db}"


def celery_url(socket: Path, *, db: int) -> str:
    """Kombu's spelling of the same."""
    return f"redis+socket://{quote(str(socket))}?virtual_host={db}"


@dataclass(frozen=True, slots=True)
class Connections:
    """The stores of one instance. A given URL may hold a password: it goes to Django, never into a tree or a log."""

    given_database_url: str | None
    given_redis_url: str | None
    postgres_socket_dir: Path
    redis_socket: Path

    @classmethod
    def from_environment(cls, paths: Paths, environ: Mapping[str, str]) -> "Connections":
        runtime_dir = paths.runtime_dir
        return cls(
            given_database_url=given("DATABASE_URL", environ),
            given_redis_url=given("REDIS_URL", environ),
            postgres_socket_dir=runtime_dir,
            redis_socket=runtime_dir / REDIS_SOCKET,
        )

    @property
    def origin(self) -> str:
        """`given` where the database is somebody else's, else `embedded`."""
        return "embedded" if self.given_database_url is None else "given"

    @property
    def database_url(self) -> str:
        return self.given_database_url or postgres_url(self.postgres_socket_dir, role=ROLE, database=DATABASE)

    @property
    def redis_url(self) -> str:
        return self.given_redis_url or redis_url(self.redis_socket, db=0)

    def celery_broker_url(self) -> str:
        if self.given_redis_url is None:
            return celery_url(self.redis_socket, db=0)
        return _kombu_url(self.given_redis_url)

    def django_database(self) -> dict[str, Any]:
        """Django's DATABASES entry; raises psycopg.ProgrammingError for a DATABASE_URL that libpq would refuse.

        Any: the entry's values are strings, numbers and a dictionary, as Django wants them.
        """
        options = dict(conninfo_to_dict(self.database_url))
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": options.pop("dbname", DATABASE),
            "USER": options.pop("user", ""),
            "PASSWORD": options.pop("password", ""),
            "HOST": options.pop("host", ""),
            "PORT": str(options.pop("port", "")),
            "OPTIONS": options,
            "CONN_HEALTH_CHECKS": True,
        }

    def given_urls(self) -> dict[str, str]:
        """The URLs that came from outside, by the names they came with."""
        given = {"DATABASE_URL": self.given_database_url, "REDIS_URL": self.given_redis_url}
        return {name: url for name, url in given.items() if url is not None}

    def examples_environment(self) -> dict[str, str]:
        """URLs for the example programs. Only the embedded stores: nobody wants a demonstration in a real database."""
        urls: dict[str, str] = {}
        if self.given_database_url is None:
            urls["EXAMPLE_DATABASE_URL"] = postgres_url(
                self.postgres_socket_dir, role=EXAMPLES_ROLE, database=EXAMPLES_DATABASE
            )
        if self.given_redis_url is None:
            urls["EXAMPLE_REDIS_URL"] = redis_url(self.redis_socket, db=REDIS_EXAMPLES_DB)
            urls["EXAMPLE_CELERY_BROKER_URL"] = celery_url(self.redis_socket, db=REDIS_EXAMPLES_DB)
        return urls


def _kombu_url(url: str) -> str:
    """A redis-py URL in kombu's spelling, which names a Unix socket and its database in a way of its own."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    db = parse_qs(parts.query).get("db", ["0"])[0]
    return urlunsplit(("redis+socket", parts.netloc, parts.path, f"virtual_host={db}", ""))
