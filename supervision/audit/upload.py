"""Hand a report in to an Overstory, from a CI job: one request, standard library only."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

TOKEN = "OVERSTORY_TOKEN"  # noqa: S105  the name of a variable
LIMIT_S = 60.0
CONTEXT = 4
"""Source lines around a finding, where no other number is asked for: pages show them."""


class UploadError(Exception):
    """The report was not taken; the message says why."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What the server made of it. `grown`: rules with more findings than in the run before."""

    number: int
    verdict: str
    passes: bool
    new: int
    gone: int
    grown: dict[str, list[int]]


def upload(report: str, *, url: str, project: str, revision: str = "") -> Taken:
    """Hand in a report as JSON. The token comes from OVERSTORY_TOKEN. Raises UploadError."""
    token = os.environ.get(TOKEN, "")
    if not token:
        raise UploadError(f"{TOKEN} is not set: a token with the scope upload")
    if not url.startswith(("http://", "https://")):
        raise UploadError(f"{url}: http:// or https:// is expected")
    where = f"{url.rstrip('/')}/api/v1/audit_projects/{urllib.parse.quote(project, safe='')}/runs"
    if revision:
        where += f"?revision={urllib.parse.quote(revision, safe='')}"
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(where, report.encode("utf-8", "replace"), headers, method="POST")  # noqa: S310  as above
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310  as above
            said: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise UploadError(f"{where}: {error.code} {_detail(error)}") from None
    except (OSError, ValueError) as error:
        raise UploadError(f"{where}: {getattr(error, 'reason', error)}") from None
    return Taken(said["number"], said["verdict"], said["passes"], said["new"], said["gone"], said["grown"])


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error).get("detail", ""))
    except (OSError, ValueError, AttributeError):
        return str(error.reason)
