"""The hash that ties an audit entry to the one before it. Pure: facts in, digest out."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

BEGINNING = "0" * 64
"""What the first entry of all is tied to."""


def digest(previous_hash: str, content: Mapping[str, Any]) -> str:
    """Hex SHA-256 over the previous hash and the canonical JSON of `content` (keys sorted, no spaces, UTF-8)."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(previous_hash.encode() + b"\n" + canonical.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Link:
    """An entry as the chain sees it. `content` is everything of it but the hashes."""

    seq: int
    content: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """What a look at the chain found: `checked` entries, and the first that is wrong with why, or None."""

    checked: int
    broken_at: int | None = None
    why: str = ""

    @property
    def holds(self) -> bool:
        return self.broken_at is None


def verify(links: Iterable[Link], *, previous_seq: int, previous_hash: str) -> ChainVerdict:
    """Follow the chain behind (`previous_seq`, `previous_hash`) in the order of `links`."""
    checked = 0
    for link in links:
        if link.seq != previous_seq + 1:
            return ChainVerdict(checked, link.seq, f"entry {previous_seq + 1} is missing")
        if link.previous_hash != previous_hash:
            return ChainVerdict(checked, link.seq, "it is tied to another entry than the one before it")
        if link.hash != digest(previous_hash, link.content):
            return ChainVerdict(checked, link.seq, "its content is not what was recorded")
        previous_seq, previous_hash = link.seq, link.hash
        checked += 1
    return ChainVerdict(checked)
