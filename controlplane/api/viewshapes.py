"""Bodies about saved views."""

from typing import Any

from rest_framework import serializers

from controlplane.api.shapes import Body
from controlplane.savedviews.lists import SAVED
from controlplane.savedviews.models import MAX_FILTER, MAX_HIDDEN, MAX_NAME, MAX_SORT

LISTS = list(SAVED)


class ViewBody(Body):
    """A view, whole."""

    list = serializers.ChoiceField(LISTS)
    name = serializers.CharField(max_length=MAX_NAME)
    filter = serializers.CharField(
        source="q",
        max_length=MAX_FILTER,
        allow_blank=True,
        default="",
        help_text="As the list's own field takes it.",
    )
    sort = serializers.CharField(
        max_length=MAX_SORT,
        allow_blank=True,
        default="",
        help_text="A column, with - before it for descending.",
    )
    hidden = serializers.CharField(
        max_length=MAX_HIDDEN,
        allow_blank=True,
        default="",
        help_text="Columns that are not shown, with commas.",
    )
    shared = serializers.BooleanField(
        source="is_shared", default=False, help_text="For everybody who may open the list."
    )
    default = serializers.BooleanField(
        source="is_default", help_text="What its owner gets who asks the list for nothing.", required=False
    )


class ViewShape(serializers.Serializer[Any]):
    """A view."""

    id = serializers.IntegerField()
    list = serializers.ChoiceField(LISTS)
    title = serializers.CharField(help_text="The list's, as pages name it.")
    name = serializers.CharField()
    filter = serializers.CharField()
    sort = serializers.CharField()
    hidden = serializers.CharField()
    shared = serializers.BooleanField()
    default = serializers.BooleanField()
    owner = serializers.CharField()
    url = serializers.CharField(help_text="The page with it.")
    problem = serializers.CharField(help_text="Why its filter is none any more; empty while it is one.")
