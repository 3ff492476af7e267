"""Signing what we send, so that a receiver knows that it is ours and when it was sent.

    Overstory-Signature: t=1764345600,v1=5f2b...

v1 is HMAC-SHA256 over `t`, a point and the body as it was sent, with the channel's key, in hex. A receiver computes the
same, compares in constant time, and refuses a `t` that is more than five minutes old.

The key is derived from the instance's secret key: no row and no backup of the database holds it. Another key number is
another key.
"""

import hashlib
import hmac

HEADER = "Overstory-Signature"
DELIVERY_HEADER = "Overstory-Delivery"


def signing_key(secret_key: str, *, channel_id: int, key_number: int) -> str:
    """The key of a channel, as the receiver is given it."""
    name = f"overstory alert channel {channel_id} key {key_number}"
    return "whk_" + hmac.new(secret_key.encode(), name.encode(), hashlib.sha256).hexdigest()


def signature(key: str, *, at: int, body: bytes) -> str:
    """The header's value for a body sent at Unix second `at`."""
    made = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"
