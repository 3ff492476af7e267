"""Projects and their keys. What is done here is an admin's right and stands in the audit log."""

import contextlib
import datetime as dt
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited, record
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.grouping.algorithms import NEWEST, TRANSITION
from supervision.errors.protocol.cleaning import sayable
from supervision.errors.scrubbing.options import spelled
from supervision.errors.store.changes import changed as tell_changed
from supervision.errors.store.models import ErrorKey, ErrorProject

MOST_NAME = 100
MOST_NAMES = 100
"""In each of a project's lists for scrubbing."""
TRIES = 3


def create_project(
    *,
    slug: str,
    name: str = "",
    tree: str = "",
    events_per_minute: int = 6000,
    retention_days: int = 90,
    spike_factor: int = 5,
    most_events: int = 1_000_000,
    resolve_after_days: int = 0,
    store_whole: int = 0,
    scrub_emails: bool = False,
    scrub_addresses: bool = False,
    never_scrubbed: Sequence[str] = (),
    always_scrubbed: Sequence[str] = (),
    actor: Actor,
) -> ErrorProject:
    """With its first key. InvalidFieldError."""
    _check_names(never_scrubbed, always_scrubbed)
    project = ErrorProject(
        slug=slug,
        name=name or slug,
        tree=tree,
        events_per_minute=events_per_minute,
        retention_days=retention_days,
        spike_factor=spike_factor,
        most_events=most_events,
        resolve_after_days=resolve_after_days,
        store_whole=store_whole,
        scrub_emails=scrub_emails,
        scrub_addresses=scrub_addresses,
        never_scrubbed=list(never_scrubbed),
        always_scrubbed=list(always_scrubbed),
        algorithm=NEWEST,
    )
    try:
        project.full_clean(validate_unique=False)
    except ValidationError as error:
        field, problems = next(iter(error.message_dict.items()))
        raise InvalidFieldError(field, " ".join(problems)) from error
    with audited():
        try:
            with transaction.atomic():
                project.save()
        except IntegrityError as error:
            raise InvalidFieldError("slug", f"there is a project {slug} already") from error
        add_key(project=project, actor=actor)
        record(actor=actor, action="error_project.create", target=f"error project {slug}", tree=tree)
    return project


def change_project(
    *, project: ErrorProject, fields: Mapping[str, Any], now: dt.datetime, actor: Actor
) -> ErrorProject:
    """Those of a project's fields that are given, of `name`, `events_per_minute`, `retention_days`, `most_events`,
    `resolve_after_days`, `store_whole`, `spike_factor`, `algorithm`, `scrub_emails`, `scrub_addresses`, `never_scrubbed` and
    `always_scrubbed`. InvalidFieldError.

    After another algorithm the former one still leads to issues for a while (grouping/algorithms.py). What was stored before
    is not scrubbed again.
    """
    with audited():
        project = ErrorProject.objects.select_for_update(no_key=True).get(pk=project.pk)
        _check_names(
            fields.get("never_scrubbed", project.never_scrubbed),
            fields.get("always_scrubbed", project.always_scrubbed),
        )
        changed = [name for name, value in fields.items() if getattr(project, name) != value]
        if "algorithm" in changed:
            project.former_algorithm, project.former_until = project.algorithm, now + TRANSITION
            changed += ["former_algorithm", "former_until"]
        for name in fields.keys() & set(changed):
            setattr(project, name, fields[name])
        if changed:
            project.weighed_at = None  # what follows from another factor is said at the next look
            project.save(update_fields=[*changed, "weighed_at"])
            record(
                actor=actor,
                action="error_project.change",
                target=f"error project {project.slug}",
                tree=project.tree,
            )
            tell_changed(project.pk)
    return project


def _check_names(never: object, always: object) -> None:
    """InvalidFieldError for what are no names, too many, or names in both lists."""
    lists: dict[str, set[str]] = {}
    for field, given in (("never_scrubbed", never), ("always_scrubbed", always)):
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise InvalidFieldError(field, "a list of names")
        if len(given) > MOST_NAMES:
            raise InvalidFieldError(field, f"{MOST_NAMES} names at most")
        for name in given:
            if not isinstance(name, str) or not 1 <= len(name) <= MOST_NAME or sayable(name) != name:
                raise InvalidFieldError(field, f"a name has 1 to {MOST_NAME} characters")
        lists[field] = {spelled(name) for name in given}
    both = lists["never_scrubbed"] & lists["always_scrubbed"]
    if both:
        raise InvalidFieldError("always_scrubbed", f"{min(both)} is never scrubbed")


def add_key(*, project: ErrorProject, label: str = "", actor: Actor) -> ErrorKey:
    """A further key, so that the old one can be revoked once nobody uses it."""
    with audited():
        key = ErrorKey.objects.create(project=project, public_key=uuid.uuid4().hex, label=label[:MOST_NAME])
        record(
            actor=actor, action="error_key.create", target=f"error project {project.slug}", tree=project.tree
        )
        tell_changed(project.pk, key.public_key)
    return key


def revoke_key(*, key: ErrorKey, now: dt.datetime, actor: Actor) -> None:
    """Reports with it are refused at once, without Redis within half a minute. Doing it twice changes nothing."""
    with audited():
        if ErrorKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            record(
                actor=actor,
                action="error_key.revoke",
                target=f"error project {key.project.slug}",
                tree=key.project.tree,
            )
            tell_changed(key.project_id, key.public_key)


def project_of_tree(tree: str, *, actor: Actor) -> ErrorProject:
    """The project that the children of a tree report to; made with its first key when there is none. Who makes it at the
    same moment, or takes its name for another, is no error."""
    for _ in range(TRIES):
        with contextlib.suppress(InvalidFieldError):
            return _project_of_tree(tree, actor)
    return _project_of_tree(tree, actor)


def _project_of_tree(tree: str, actor: Actor) -> ErrorProject:
    found = ErrorProject.objects.filter(tree=tree).order_by("pk").first()
    if found is not None:
        return found
    slug = re.sub(r"[^a-z0-9_-]", "-", tree.lower())
    slug = (slug.strip("-_") or "tree")[:50]
    taken = set(ErrorProject.objects.filter(slug__startswith=slug).values_list("slug", flat=True))
    free = next(
        name for name in (slug, *(f"{slug}-{number}" for number in range(2, 10_000))) if name not in taken
    )
    return create_project(slug=free, name=tree, tree=tree, actor=actor)
