"""`/api/schema`: the OpenAPI 3.1 document, made once a process that is asked for it. So is its maker imported."""

import functools
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api.endpoint import Endpoint


@functools.cache
def api_schema() -> dict[str, Any]:
    """The document. Any: OpenAPI's own shape."""
    from drf_spectacular.generators import SchemaGenerator

    generator = SchemaGenerator()  # type: ignore[no-untyped-call]  # drf-spectacular types a part of itself
    made: dict[str, Any] = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # the same
    return made


class ApiSchema(Endpoint):
    """JSON, for who is logged in."""

    schema = None
    needs = {"GET": None}

    def get(self, request: Request) -> Response:
        return Response(api_schema(), content_type="application/vnd.oai.openapi+json;version=3.1")
