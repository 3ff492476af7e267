"""Actions of the admin: ask first where it matters, call a service for each row, say what it refused."""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model
from django.http import HttpRequest
from django.template.response import TemplateResponse

from controlplane.access.exceptions import AccessError
from supervision.exceptions import SupervisionError

ASK = "admin/confirm.html"
Row = TypeVar("Row", bound=Model)


def each(request: HttpRequest, rows: Iterable[Row], act: Callable[[Row], object], done: str) -> None:
    """`act` on each row; `done` is said with the number of rows that went well."""
    count = 0
    for row in rows:
        try:
            act(row)
        except (SupervisionError, AccessError) as error:
            messages.error(request, f"{row}: {error}")
        else:
            count += 1
    if count:
        messages.success(request, f"{count} {done}")


def asked(
    admin: "ModelAdmin[Any]", request: HttpRequest, rows: Iterable[Model], *, action: str, question: str
) -> TemplateResponse | None:
    """The page that asks before `action` is carried out on the rows; None once it was answered."""
    if request.POST.get("confirmed"):
        return None
    context = {
        **admin.admin_site.each_context(request),
        "title": question,
        "rows": list(rows),
        "action": action,
        "selected": request.POST.getlist(ACTION_CHECKBOX_NAME),
        "select_across": request.POST.get("select_across", "0"),
        "opts": admin.model._meta,
    }
    return TemplateResponse(request, ASK, context)
