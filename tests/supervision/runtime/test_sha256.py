"""Digests without OpenSSL are the same digests."""

import hashlib

import pytest

from supervision.runtime.sha256 import sha256_hex


@pytest.mark.parametrize("data", [b"", b"a", bytes(range(256)) * 100])
def test_a_digest_is_what_hashlib_says(data: bytes) -> None:
    assert sha256_hex(data) == hashlib.sha256(data).hexdigest()
