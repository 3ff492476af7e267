"""Projects and their keys. What is done here is an admin's right and stands in the audit log."""

import datetime as dt
import re
import uuid

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited, record
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.models import ErrorKey, ErrorProject

MOST_NAME = 100


def create_project(*, slug: str, name: str = "", tree: str = "", actor: Actor) -> ErrorProject:
    """With its first key. InvalidFieldError."""
    project = ErrorProject(slug=slug, name=name or slug, tree=tree)
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


def add_key(*, project: ErrorProject, label: str = "", actor: Actor) -> ErrorKey:
    """A further key, so that the old one can be revoked once nobody uses it."""
    with audited():
        key = ErrorKey.objects.create(project=project, public_key=uuid.uuid4().hex, label=label[:MOST_NAME])
        record(
            actor=actor, action="error_key.create", target=f"error project {project.slug}", tree=project.tree
        )
    return key


def revoke_key(*, key: ErrorKey, now: dt.datetime, actor: Actor) -> None:
    """Reports with it are refused, within half a minute everywhere. Doing it twice changes nothing."""
    with audited():
        if ErrorKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            record(
                actor=actor,
                action="error_key.revoke",
                target=f"error project {key.project.slug}",
                tree=key.project.tree,
            )


def project_of_tree(tree: str, *, actor: Actor) -> ErrorProject:
    """The project that the children of a tree report to; made with its first key when there is none."""
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
