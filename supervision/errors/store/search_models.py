"""Words by which issues are found, beside their rows: an index of words on a row that changes with events would bloat."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.sql.compiler import SQLCompiler

from supervision.errors.store.models import ErrorIssue


@SearchVectorField.register_lookup
class HasWords(models.Lookup):
    """`has_words`: what a tsquery asks for, in the words of supervision/errors/words.py and not of PostgreSQL's parser."""

    lookup_name = "has_words"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        """Any: what the left side has, and the words."""
        left, parameters = self.process_lhs(compiler, connection)
        return f"{left} @@ %s::tsquery", [*parameters, self.rhs]


class ErrorIssueSearch(models.Model):
    """The words of an issue: of what it is called, and of its first event."""

    issue = models.OneToOneField(
        ErrorIssue, primary_key=True, on_delete=models.CASCADE, related_name="search"
    )
    words = SearchVectorField()

    class Meta:
        ordering = ["issue"]
        indexes = [GinIndex(fields=["words"], name="error_issue_words")]

    def __str__(self) -> str:
        return f"words of {self.issue_id}"
