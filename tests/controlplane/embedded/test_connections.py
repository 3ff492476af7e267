"""Where the stores are, in every form that somebody needs."""

from pathlib import Path

import psycopg
import pytest

from controlplane.embedded.connections import Connections
from supervision.runtime.paths import Paths


def connections(data_dir: Path, **environ: str) -> Connections:
    return Connections.from_environment(Paths(data_dir), environ)


def test_without_urls_django_and_celery_use_the_embedded_sockets(data_dir: Path) -> None:
    found = connections(data_dir)
    runtime_dir = Paths(data_dir).runtime_dir
    database = found.django_database()
    assert (database["HOST"], database["NAME"], database["USER"]) == (
        str(runtime_dir),
        "overstory",
        "overstory",
    )
    assert database["PASSWORD"] == ""
    assert found.celery_broker_url() == f"redis+socket://{runtime_dir}/redis.sock?virtual_host=0"


def test_given_urls_are_used_as_they_are(data_dir: Path) -> None:
    found = connections(
        data_dir,
        DATABASE_URL="postgresql://me:s%40crt@db.example:5433/ops?sslmode=require",
        REDIS_URL="redis://r:6380/2",
    )
    assert found.django_database() == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "ops",
        "USER": "me",
        "PASSWORD": "s@crt",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {"sslmode": "require"},
        "CONN_HEALTH_CHECKS": True,
    }
    assert found.celery_broker_url() == "redis://r:6380/2"


def test_the_examples_never_see_a_store_that_was_given(data_dir: Path) -> None:
    found = connections(data_dir, DATABASE_URL="postgresql://me:secret@db/ops")
    assert set(found.examples_environment()) == {"EXAMPLE_REDIS_URL", "EXAMPLE_CELERY_BROKER_URL"}
    assert not any("secret" in url for url in found.examples_environment().values())


def test_a_database_url_that_is_none_is_refused(data_dir: Path) -> None:
    with pytest.raises(psycopg.ProgrammingError):
        connections(data_dir, DATABASE_URL="nonsense").django_database()
