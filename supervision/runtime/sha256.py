"""SHA-256 by the interpreter's own module: hashlib loads OpenSSL, which is a megabyte in a process that lives for years."""

from collections.abc import Callable
from typing import Any


def _builtin() -> Callable[[bytes], Any]:
    for name in ("_sha2", "_sha256"):  # since Python 3.12; before
        try:
            found: Callable[[bytes], Any] = __import__(name).sha256
        except (ImportError, AttributeError):
            continue
        return found
    import hashlib

    return hashlib.sha256


_sha256 = _builtin()


def sha256_hex(data: bytes) -> str:
    """The digest of `data` in hexadecimal digits."""
    return str(_sha256(data).hexdigest())
