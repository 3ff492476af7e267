"""Asking before issues are joined: what would be, counted; then, with that number, it is done. And what parting did."""

from collections.abc import Mapping, Sequence
from typing import Any

from supervision.errors.store.joining import Merging
from supervision.errors.store.parting import Parted
from supervision.explain.words import count


def names_in(texts: Sequence[str]) -> list[str]:
    """Short ids, parted by blanks or commas, each once."""
    return list(dict.fromkeys(name for text in texts for name in text.replace(",", " ").split()))


def to_confirm(
    plan: Merging, post: Mapping[str, str], *, do: str, others: Sequence[str] = ()
) -> dict[str, Any] | None:
    """What a page asks; None where just that number was confirmed. `others`: what the form names again."""
    if post.get("confirmed") == str(len(plan.issues)):
        return None
    words = count(len(plan.issues), "issue")
    return {
        "do": do,
        "count": len(plan.issues),
        "label": f"Merge {words}",
        "words": f"{words} with {count(plan.events, 'event')}",
        "into": plan.into.short_id,
        "title": plan.into.title,
        "others": list(others),
    }


def parted_words(parted: Parted) -> str:
    """What became of the events."""
    if parted.moved is None:
        return (
            f"{parted.issue.short_id} is new. More events came than are kept: those before stay counted here."
        )
    return f"{parted.issue.short_id} is new, with {count(parted.moved, 'event')}."
