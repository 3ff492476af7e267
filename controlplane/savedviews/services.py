"""Writes of saved views, each with an entry of the audit log."""

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from controlplane.savedviews.exceptions import InvalidViewError, NameTakenError, NoViewError
from controlplane.savedviews.lists import SAVED
from controlplane.savedviews.models import MAX_FILTER, MAX_NAME, SavedView
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor

MOST_VIEWS = 200
"""Of one owner."""


@dataclass(frozen=True, slots=True)
class ViewFields:
    """A view as it was asked for; see SavedView for what each means."""

    list: str
    name: str
    q: str = ""
    sort: str = ""
    hidden: str = ""
    is_shared: bool = False
    is_default: bool = False


@auditlog.audited()
def save_view(*, view: SavedView | None, owner_id: int, fields: ViewFields, actor: Actor) -> SavedView:
    """Make a view, or change one. A default takes the place of the one before it.

    Raises InvalidViewError, NameTakenError, and NoViewError when it has been deleted meanwhile.
    """
    check_view(fields)
    User.objects.select_for_update().get(pk=owner_id)
    if view is None:
        if SavedView.objects.filter(owner_id=owner_id).count() >= MOST_VIEWS:
            raise InvalidViewError("name", f"You have {MOST_VIEWS} views already.")
        made = SavedView(owner_id=owner_id)
    else:
        made = _locked(view.pk)
        made.version += 1
    for name in ViewFields.__slots__:
        setattr(made, name, getattr(fields, name))
    if fields.is_default:
        before = SavedView.objects.filter(owner_id=owner_id, list=fields.list, is_default=True)
        before.exclude(pk=made.pk).update(is_default=False)
    try:
        with transaction.atomic():
            made.save()
    except IntegrityError:
        raise NameTakenError(f"You have a view {fields.name} of this list already.") from None
    auditlog.record(
        actor=actor,
        action="view.save",
        target=f"{made.list}/{made.name}",
        details={
            "filter": made.q,
            "sort": made.sort,
            "hidden": made.hidden,
            "shared": made.is_shared,
            "default": made.is_default,
        },
    )
    return made


@auditlog.audited()
def save_named(*, owner_id: int, fields: ViewFields, actor: Actor) -> tuple[SavedView, bool]:
    """Make a view, or give the owner's one of that name what was asked for; and whether it is new."""
    found = SavedView.objects.filter(owner_id=owner_id, list=fields.list, name=fields.name).first()
    return save_view(view=found, owner_id=owner_id, fields=fields, actor=actor), found is None


@auditlog.audited()
def delete_view(*, view: SavedView, actor: Actor) -> None:
    """Raises NoViewError."""
    locked = _locked(view.pk)
    auditlog.record(actor=actor, action="view.delete", target=f"{locked.list}/{locked.name}")
    locked.delete()


def check_view(fields: ViewFields) -> None:
    """Raises InvalidViewError for the first field that cannot be meant."""
    known = SAVED.get(fields.list)
    if known is None:
        raise InvalidViewError("list", f"A list is one of {', '.join(SAVED)}.")
    if not fields.name.strip() or len(fields.name) > MAX_NAME or not fields.name.isprintable():
        raise InvalidViewError("name", f"A name has 1 to {MAX_NAME} characters, on one line.")
    if len(fields.q) > MAX_FILTER:
        raise InvalidViewError("q", f"A filter has at most {MAX_FILTER} characters.")
    if problem := known.problem(fields.q):
        raise InvalidViewError("q", f"{problem[:1].upper()}{problem[1:]}.")
    if fields.sort and fields.sort.removeprefix("-") not in known.columns():
        words = ", ".join(sorted(known.columns())) or "nothing"
        raise InvalidViewError("sort", f"{known.title} can be sorted by {words}.")
    if fields.hidden != ",".join(known.hidden(fields.hidden)):
        words = ", ".join(known.hides) or "no column"
        raise InvalidViewError("hidden", f"{known.title} can hide {words}, in this order.")


def _locked(view_id: int) -> SavedView:
    found = SavedView.objects.select_for_update().filter(pk=view_id).first()
    if found is None:
        raise NoViewError("There is no such view any more.")
    return found
