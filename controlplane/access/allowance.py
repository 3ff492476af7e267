"""How often somebody may try to log in: a token bucket (GCRA) for each account and each address, one statement a take.

The take comes before the password is looked at, so that parallel attempts cannot pass together.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection

TAKE = """
INSERT INTO controlplane_loginallowance AS bucket (key, spent_until)
VALUES (%(key)s, clock_timestamp() + %(every)s)
ON CONFLICT (key) DO UPDATE
SET spent_until = GREATEST(bucket.spent_until, clock_timestamp()) + %(every)s
WHERE GREATEST(bucket.spent_until, clock_timestamp()) + %(every)s <= clock_timestamp() + %(size)s
RETURNING 1
"""
WAIT = """
SELECT spent_until + %(every)s - %(size)s - clock_timestamp()
FROM controlplane_loginallowance
WHERE key = %(key)s
"""
REFILL = "DELETE FROM controlplane_loginallowance WHERE key = %(key)s"
FORGET = """
DELETE FROM controlplane_loginallowance
WHERE key IN (
    SELECT key FROM controlplane_loginallowance WHERE spent_until < clock_timestamp()
    ORDER BY spent_until LIMIT 100 FOR UPDATE SKIP LOCKED
)
"""
"""A bucket that is full again says nothing; skipping locked rows keeps two logins from waiting for each other."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`burst` attempts at once, then one each `every`."""

    burst: int
    every: timedelta

    @property
    def size(self) -> timedelta:
        return self.burst * self.every


ACCOUNT = Bucket(burst=8, every=timedelta(seconds=30))
ADDRESS = Bucket(burst=30, every=timedelta(seconds=10))


def account_key(name: str) -> str:
    """By hash: what is typed as a name may be a password."""
    return "account:" + hashlib.sha256(name.strip().casefold().encode("utf-8", "replace")).hexdigest()


def address_key(ip: str | None) -> str:
    """A host for IPv4; for IPv6 the /64, which is what one host is given."""
    try:
        address = ipaddress.ip_address(ip or "")
    except ValueError:
        return "address:none"
    if address.version == 6:
        return f"address:{ipaddress.ip_network((address, 64), strict=False)}"
    return f"address:{address}"


def take(key: str, bucket: Bucket) -> timedelta | None:
    """Take one attempt; None when there was one, else how long until there is."""
    values: dict[str, Any] = {"key": key, "every": bucket.every, "size": bucket.size}
    with connection.cursor() as cursor:
        cursor.execute(FORGET)
        cursor.execute(TAKE, values)
        if cursor.fetchone() is not None:
            return None
        cursor.execute(WAIT, values)
        row = cursor.fetchone()
    left: timedelta = row[0] if row is not None else timedelta(0)
    return max(left, timedelta(seconds=1))


def refill(key: str) -> None:
    """Give all attempts back: after a login that succeeded."""
    with connection.cursor() as cursor:
        cursor.execute(REFILL, {"key": key})
