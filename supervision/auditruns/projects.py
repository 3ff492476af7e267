"""Writes of projects: what is audited, how often, and who looks after which part."""

import datetime as dt
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.auditruns import owners
from supervision.auditruns.exceptions import InvalidFieldError, NoSuchError
from supervision.auditruns.models import AuditFinding, AuditProject

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
LEAST_EVERY_S = 300
FIELDS = ("tree", "path", "every_s", "owners", "is_ratchet")


def project_named(name: str) -> AuditProject:
    """Raises NoSuchError."""
    project = AuditProject.objects.filter(name=name).first()
    if project is None:
        raise NoSuchError(f"there is no audit project {name[:63]!r}")
    return project


def create_project(*, name: str, fields: Mapping[str, Any], actor: Actor, now: dt.datetime) -> AuditProject:
    """`fields`: of FIELDS, checked here. Raises InvalidFieldError."""
    check_fields(name=name, fields=fields)
    project = AuditProject(name=name, created_at=now)
    _fill(project, fields, now)
    with auditlog.audited():
        try:
            with transaction.atomic():
                project.save(force_insert=True)
        except IntegrityError:
            raise InvalidFieldError("name", "there is a project of that name") from None
        auditlog.record(
            actor=actor, action="audit_project.create", target=name, tree=project.tree, details=_said(project)
        )
    return project


def check_fields(*, name: str, fields: Mapping[str, Any]) -> None:
    """Raises InvalidFieldError for what no project can have."""
    if not NAME.fullmatch(name):
        raise InvalidFieldError("name", "small letters, digits, `.`, `_` and `-`, at most 63")
    _check({**_said(AuditProject()), **fields})


def change_project(*, name: str, fields: Mapping[str, Any], actor: Actor, now: dt.datetime) -> AuditProject:
    """Change what `fields` has. Findings whose owner nobody set get the one of the new rules."""
    with auditlog.audited():
        project = AuditProject.objects.select_for_update().filter(name=name).first()
        if project is None:
            raise NoSuchError(f"there is no audit project {name!r}")
        _fill(project, fields, now)
        project.version += 1
        project.save()
        if "owners" in fields:
            _own(project)
        auditlog.record(
            actor=actor, action="audit_project.change", target=name, tree=project.tree, details=_said(project)
        )
    return project


def ask_for_scan(*, name: str, actor: Actor, now: dt.datetime) -> AuditProject:
    """The next job scans the path. Raises NoSuchError, InvalidFieldError without a path."""
    with auditlog.audited():
        project = AuditProject.objects.select_for_update().filter(name=name).first()
        if project is None:
            raise NoSuchError(f"there is no audit project {name!r}")
        if not project.path:
            raise InvalidFieldError("path", "the project has none: its reports are uploaded")
        project.next_at = now
        project.save(update_fields=["next_at"])
        auditlog.record(actor=actor, action="audit_project.scan", target=name, tree=project.tree)
    return project


def delete_project(*, name: str, actor: Actor) -> None:
    """With its runs, findings, and plans."""
    with auditlog.audited():
        project = project_named(name)
        project.delete()
        auditlog.record(actor=actor, action="audit_project.delete", target=name, tree=project.tree)


def _fill(project: AuditProject, fields: Mapping[str, Any], now: dt.datetime) -> None:
    for field in FIELDS:
        if field in fields:
            setattr(project, field, fields[field])
    _check(_said(project))
    project.next_at = now if project.every_s else None


def _check(said: Mapping[str, Any]) -> None:
    path, every_s = said["path"], said["every_s"]
    wrong = owners.fault(said["owners"])
    if wrong:
        raise InvalidFieldError("owners", wrong)
    if path and not PurePosixPath(path).is_absolute():
        raise InvalidFieldError("path", "an absolute path on the host of the worker")
    if every_s and every_s < LEAST_EVERY_S:
        raise InvalidFieldError("every_s", f"0, or at least {LEAST_EVERY_S}")
    if every_s and not path:
        raise InvalidFieldError("every_s", "a path is needed for that")


def _own(project: AuditProject) -> None:
    for finding in project.findings.filter(is_owner_set=False).only("id", "path", "owner"):
        owner = owners.owner_of(finding.path, project.owners)
        if owner != finding.owner:
            AuditFinding.objects.filter(pk=finding.pk).update(owner=owner, version=F("version") + 1)


def _said(project: AuditProject) -> dict[str, Any]:
    return {field: getattr(project, field) for field in FIELDS}
