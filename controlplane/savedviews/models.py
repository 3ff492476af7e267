"""Rows of saved views."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from controlplane.savedviews.lists import SAVED

MAX_NAME, MAX_FILTER, MAX_SORT, MAX_HIDDEN = 60, 1000, 41, 200


class SavedView(models.Model):
    """A filter and an order of one list. What is shared is seen by whoever may open the list, and changed by its owner."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    list = models.CharField(max_length=16)
    name = models.CharField(max_length=MAX_NAME)
    q = models.CharField("filter", max_length=MAX_FILTER, blank=True, default="")
    sort = models.CharField(
        max_length=MAX_SORT, blank=True, default="", help_text="A column, with - before it for descending."
    )
    hidden = models.CharField(
        max_length=MAX_HIDDEN, blank=True, default="", help_text="Columns that are not shown, with commas."
    )
    is_shared = models.BooleanField("shared", default=False)
    is_default = models.BooleanField(
        "default", default=False, help_text="What its owner gets who opens the list and asks for nothing."
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["list", "name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "list", "name"], name="view_one_of_a_name"),
            models.UniqueConstraint(
                fields=["owner", "list"], condition=Q(is_default=True), name="view_one_default"
            ),
        ]
        indexes = [
            models.Index(fields=["list", "name"], condition=Q(is_shared=True), name="view_shared"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.list}"

    @property
    def problem(self) -> str:
        """Why its filter is none any more; empty while it is one."""
        return SAVED[self.list].problem(self.q) if self.list in SAVED else "there is no such list any more"
