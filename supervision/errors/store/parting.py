"""Takes a part out of an issue that was joined wrongly."""

import datetime as dt
from collections.abc import Iterable

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.activity import note
from supervision.errors.store.issues import record_of
from supervision.errors.store.joining import lock_project
from supervision.errors.store.models import ErrorIssue, ErrorIssueHash, ErrorIssueStat

Status = ErrorIssue.Status


def part(*, issue: ErrorIssue, hashes: Iterable[str], now: dt.datetime, actor: Actor) -> ErrorIssue:
    """Take hashes out into an issue of their own, and pin them there: nothing brings them back by itself.

    Events that came before stay where they are counted. InvalidFieldError where one is not the issue's, or none would be
    left.
    """
    wanted = set(hashes)
    with audited():
        project = lock_project(issue.project_id)
        issue = (
            ErrorIssue.objects.select_for_update(no_key=True, of=("self",))
            .select_related("project")
            .get(pk=issue.pk)
        )
        own = {row.hash: row for row in issue.hashes.all()}
        if not wanted or not wanted <= own.keys():
            raise InvalidFieldError("hashes", "not all of them are this issue's")
        if wanted == own.keys():
            raise InvalidFieldError("hashes", "none would be left")
        project.last_issue += 1
        project.save(update_fields=["last_issue"])
        new = ErrorIssue.objects.create(
            project=project,
            number=project.last_issue,
            title=issue.title,
            type=issue.type,
            value=issue.value,
            culprit=issue.culprit,
            level=issue.level,
            platform=issue.platform,
            status=Status.ONGOING,
            status_at=now,
            first_seen=now,
            child=issue.child,
            because=issue.because,
        )
        ErrorIssueStat.objects.create(issue=new, last_seen=now)
        ErrorIssueHash.objects.filter(pk__in=[own[each].pk for each in wanted]).update(issue=new, pinned=True)
        note(issue, at=now, actor=actor.name, kind="parted", text=new.short_id)
        note(new, at=now, actor=actor.name, kind="parted_from", text=issue.short_id)
        record_of(issue, actor, "error_issue.part")
    return new
