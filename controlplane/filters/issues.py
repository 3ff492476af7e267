"""What a filter of the page Errors says of rows of issues."""

from django.db.models import Q
from django.utils import timezone

from controlplane.filters.fields import ISSUES
from controlplane.filters.grammar import Term, parse
from controlplane.filters.querying import LOOKUP, condition
from supervision.errors.store.models import ErrorTag

OF_TAGS = ("user", "tag")
"""Fields that ask for a value some event of the issue had: `tag:region=eu`, or `tag:eu` of any tag."""


def issue_condition(text: str) -> Q:
    """Of rows of the error store's selector `issues`. Ages count from now. Raises FilterError, a ValueError."""
    terms = parse(text, ISSUES)
    own = [term for term in terms if term.field not in OF_TAGS]
    whole = condition(own, ISSUES, now=timezone.now())
    for term in terms:
        if term.field in OF_TAGS:
            one = Q(pk__in=ErrorTag.objects.filter(_tagged(term)).values("issue"))
            whole &= ~one if term.negated else one
    return whole


def _tagged(term: Term) -> Q:
    whole = Q()
    for value in term.values:
        key, is_named, wanted = str(value).partition("=")
        if term.field == "user" or not is_named:
            key, wanted = ("user" if term.field == "user" else ""), str(value)
        one = Q(**{f"value{LOOKUP[term.op]}": wanted})
        whole |= one & Q(key=key) if key else one
    return whole
