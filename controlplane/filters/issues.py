"""What a filter of the page Errors says of rows of issues."""

import re
from collections.abc import Callable, Mapping

from django.db.models import Q
from django.utils import timezone

from controlplane.filters.fields import ISSUES
from controlplane.filters.grammar import NEEDS_QUOTES, FilterError, Term, parse
from controlplane.filters.querying import LOOKUP, condition
from supervision.errors.store.models import ErrorActivity, ErrorTag
from supervision.errors.store.owner_models import ErrorTeam
from supervision.errors.store.search_models import ErrorIssueSearch
from supervision.errors.words import around, beginning_with

ME = "me"
"""Of `assignee`: who asks, and the teams that they are in."""
HAS: Mapping[str, Callable[[], Q]] = {
    "assignee": lambda: Q(assignee__isnull=False) | Q(team__isnull=False),
    "child": lambda: ~Q(child="") | ~Q(stat__last_child=""),
    "supervisor": lambda: Q(child__contains="/") | Q(stat__last_child__contains="/"),
    "release": lambda: ~Q(first_release="") | ~Q(stat__last_release=""),
    "environment": lambda: ~Q(stat__last_environment=""),
    "culprit": lambda: ~Q(culprit=""),
    "user": lambda: Q(stat__users__gt=0),
    "comment": lambda: Q(pk__in=ErrorActivity.objects.filter(kind="comment").values("issue")),
}
"""What `has:` asks for beside a tag of that name."""


def issue_condition(text: str, me: str = "") -> Q:
    """Of rows of the error store's selector `issues`. Ages count from now; `me`: the name of who asks, empty where nobody
    does. Raises FilterError, a ValueError."""
    whole = Q()
    now = timezone.now()
    for term in parse(text, ISSUES):
        special = SPECIAL.get(term.field)
        if special is None or (not term.field and not _query(str(term.values[0]))):
            whole &= condition([term], ISSUES, now=now)
            continue
        one = special(term, me)
        whole &= ~one if term.negated else one
    return whole


def _query(text: str) -> str:
    """What the index of words is asked for; empty where the text has no word that it could be."""
    return around(text) if NEEDS_QUOTES.search(text) else beginning_with(text)


def _words(term: Term, _me: str) -> Q:
    """A word: which something of the issue begins with. What has to be quoted: which is there literally; the index is asked
    first for its words."""
    text = str(term.values[0])
    known = Q(pk__in=ErrorIssueSearch.objects.filter(words__has_words=_query(text)).values("issue"))
    if not NEEDS_QUOTES.search(text):
        return known
    literally = Q()
    for path in ISSUES.text_lookups:
        literally |= Q(**{f"{path}__icontains": text})
    return known & literally


def _tagged(term: Term, _me: str) -> Q:
    """Of which some event had the value: `tag:region=eu`, or `tag:eu` of any tag, or `user:ada`."""
    whole = Q()
    for value in term.values:
        key, is_named, wanted = str(value).partition("=")
        if term.field == "user" or not is_named:
            key, wanted = ("user" if term.field == "user" else ""), str(value)
        one = Q(**{f"value{LOOKUP[term.op]}": wanted})
        whole |= one & Q(key=key) if key else one
    return Q(pk__in=ErrorTag.objects.filter(whole).values("issue"))


def _has(term: Term, _me: str) -> Q:
    """`has:assignee`, `has:release` and the like, else a tag of that name."""
    whole = Q()
    for value in term.values:
        known = HAS.get(str(value)) if term.op == "=" else None
        tags = ErrorTag.objects.filter(**{f"key{LOOKUP[term.op]}": value})
        whole |= known() if known is not None else Q(pk__in=tags.values("issue"))
    return whole


def _is(term: Term, _me: str) -> Q:
    whole = Q()
    for value in term.values:
        match value:
            case "open":
                whole |= Q(is_open=True)
            case "assigned":
                whole |= HAS["assignee"]()
            case "unassigned":
                whole |= ~HAS["assignee"]()
            case _:
                whole |= Q(status=value)
    return whole


def _below(term: Term, _me: str) -> Q:
    """In a child of that supervisor, itself; `~`: of one whose key has that part."""
    whole = Q()
    for value in term.values:
        wanted = re.escape(str(value))
        pattern = f"^{wanted}/[^/]+$" if term.op == "=" else f"{wanted}.*/[^/]+$"
        lookup = "regex" if term.op == "=" else "iregex"
        whole |= Q(**{f"child__{lookup}": pattern}) | Q(**{f"stat__last_child__{lookup}": pattern})
    return whole


def _assigned(term: Term, me: str) -> Q:
    whole = Q()
    for value in term.values:
        if term.op == "=" and value == ME:
            if not me:
                raise FilterError(term.at, "nobody asks here: name who is meant by me")
            teams = ErrorTeam.objects.filter(members__username=me)
            whole |= Q(assignee__username=me) | Q(team__in=teams)
            continue
        wanted = str(value).removeprefix("#")
        whole |= Q(**{f"assignee__username{LOOKUP[term.op]}": wanted}) | Q(
            **{f"team__slug{LOOKUP[term.op]}": wanted}
        )
    return whole


SPECIAL: Mapping[str, Callable[[Term, str], Q]] = {
    "": _words,
    "user": _tagged,
    "tag": _tagged,
    "has": _has,
    "is": _is,
    "supervisor": _below,
    "assignee": _assigned,
}
"""Fields that are no column, and free text."""
