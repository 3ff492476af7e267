"""Releases with how they run, transactions, and files that came with events."""

import zlib
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import errorshapes, schema
from controlplane.api.bodies import BytesRenderer, StrictJSONRenderer
from controlplane.api.endpoint import Endpoint
from controlplane.api.errors import TAG
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing
from controlplane.filters.keyset import Order
from supervision.errors.store.release_models import ErrorAttachment
from supervision.errors.store.releases import crash_free, releases
from supervision.errors.store.transactions import transactions


def render_release(release: Any) -> dict[str, Any]:
    """Any: a row with its sums."""
    release.crash_free = crash_free(release.sessions, release.crashed)
    release.crash_free_users = crash_free(release.users, release.crashed_users)
    return dict(errorshapes.ErrorReleaseShape(release).data)


RELEASES = Listing({"newest": Order(("first_seen", "id"), descending=True)}, render_release)


class ErrorReleases(Endpoint):
    needs = {"GET": None}
    is_list = True

    @schema.says(
        "List releases, with how they ran in the last 14 days",
        operation="list_error_releases",
        answers={200: schema.page_of(errorshapes.ErrorReleaseShape)},
        parameters=schema.page_parameters(list(RELEASES.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return RELEASES.page(request, releases(trees=visible_trees(self.principal), now=timezone.now()))


class ErrorTransactions(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"project"})

    @schema.says(
        "How long transactions took in the last day",
        operation="list_error_transactions",
        answers={200: errorshapes.ErrorTransactionsShape},
        parameters=[schema.query("project")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        found = transactions(
            trees=visible_trees(self.principal),
            now=timezone.now(),
            project=request.query_params.get("project", "")[:63],
        )
        return Response({"items": [dict(errorshapes.ErrorTransactionShape(each).data) for each in found]})


class ErrorAttachmentBytes(Endpoint):
    needs = {"GET": None}
    renderer_classes = [BytesRenderer, StrictJSONRenderer]

    @schema.says(
        "A file that came with an event",
        operation="get_error_attachment",
        description="Texts without their secrets, everything else as it came. Never shown by a browser, only saved.",
        answers={(200, "application/octet-stream"): schema.OBJECT},
        tags=TAG,
    )
    def get(self, request: Request, id: int) -> HttpResponse:  # noqa: A002 the URL's word
        row = ErrorAttachment.objects.select_related("project").filter(pk=id).first()
        if row is None:
            raise Problem("not-found", f"There is no attachment {id}.")
        require(self.principal, Permission.VIEW, row.project.tree or EVERY_TREE)
        headers = {
            "Content-Disposition": content_disposition_header(as_attachment=True, filename=row.name)
            or "attachment",
            "X-Content-Type-Options": "nosniff",
        }
        data = zlib.decompress(bytes(row.data))
        return HttpResponse(data, content_type="application/octet-stream", headers=headers)
