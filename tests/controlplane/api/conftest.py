"""The API's tests speak to the worker's own Redis, and begin with full buckets."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from controlplane.api import limits
from tests.support.database import TestStores


@pytest.fixture(autouse=True)
def _redis(stores: TestStores, settings: Any) -> Iterator[None]:
    settings.CONNECTIONS = replace(settings.CONNECTIONS, given_redis_url=stores.redis_url)
    limits.forget()
    with redis.Redis.from_url(stores.redis_url) as client:
        client.flushdb()
        yield
    limits.forget()
