"""Where the intake can be reached: what a host's children are told to report to.

Whoever serves the intake says it when it starts. On its own host children use the loopback address, which works whatever
stands before the web server; elsewhere the public one. A host is told by its boot and its network namespace: in another
namespace the same loopback address is somebody else's.
"""

import contextlib
import datetime as dt
from pathlib import Path

from supervision.auditlog.actor import Actor
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store.models import ErrorAddress, ErrorKey
from supervision.errors.store.projects import project_of_tree
from supervision.runtime.identity import boot_id

KEPT = 20
"""Of hosts, and boots of them, that served the intake once."""


def this_host() -> str:
    """Of this boot and network namespace."""
    return f"{boot_id()}:{Path('/proc/self/ns/net').stat().st_ino}"


def say_address(*, local_url: str, public_url: str, now: dt.datetime) -> None:
    """This host serves the intake."""
    ErrorAddress.objects.update_or_create(
        host=this_host(), defaults={"local_url": local_url, "public_url": public_url, "said_at": now}
    )
    newest = list(ErrorAddress.objects.values_list("pk", flat=True)[:KEPT])
    ErrorAddress.objects.exclude(pk__in=newest).delete()


def address_for(host: str) -> str:
    """The URL that `host` reaches the intake at, without a slash at its end; "" where there is none."""
    rows = list(ErrorAddress.objects.all()[:KEPT])
    own = next((row.local_url for row in rows if row.host == host), "")
    return own or next((row.public_url for row in rows if row.public_url), "")


def keys_of_trees(trees: set[str]) -> dict[str, tuple[int, str]]:
    """Tree -> its project's number and newest key. Missing projects are made; a project without a valid key is left out."""
    found = _keys(trees)
    missing = trees - found.keys()
    if missing:
        for tree in sorted(missing):
            with contextlib.suppress(InvalidFieldError):  # another courier has just made it
                project_of_tree(tree, actor=Actor.system("error store"))
        found |= _keys(missing)
    return found


def _keys(trees: set[str]) -> dict[str, tuple[int, str]]:
    rows = ErrorKey.objects.filter(project__tree__in=trees, revoked_at=None).order_by("-project_id", "id")
    return {
        tree: (project, key)
        for tree, project, key in rows.values_list("project__tree", "project_id", "public_key")
    }
