"""What the OpenAPI document says beyond what serializers say by themselves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers

from controlplane.api.shapes import ProblemShape

Method = TypeVar("Method", bound=Callable[..., Any])

PROBLEMS = {
    400: "A parameter, a header or the body is wrong; `errors` says what.",
    401: "Nobody, or a token that is not valid.",
    403: "The role does not allow it.",
    404: "It does not exist, or is not visible.",
    406: "Nothing that Accept allows.",
    409: "Not possible as things are, or the first request with this key is still running.",
    412: "It was changed in the meantime; `current` is how it is now.",
    413: "The body is too large.",
    415: "The body's type is not understood.",
    422: "The Idempotency-Key belongs to another request.",
    428: "If-Match is required.",
    429: "Too many requests; Retry-After says when.",
    503: "Something that this needs does not answer; `missing` names it.",
    504: "No answer in time.",
}
ALWAYS = (400, 401, 403, 404, 406, 429, 503)

IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="ETag of the version this is based on, or `*`.",
)
IF_MATCH_OPTIONAL = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="ETag of the version this is based on, or `*`."
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="`*`: there must be no such tree yet."
)
KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 visible ASCII characters: the same request with the same key is carried out once.",
)
KEY_REQUIRED = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    required=True,
    description="1 to 255 visible ASCII characters: the same request with the same key is carried out once.",
)


class PrincipalScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # registers itself
    """Both ways to say who asks."""

    target_class = "controlplane.api.endpoint.PrincipalAuthentication"
    name = ["bearer", "session"]

    def get_security_definition(self, auto_schema: AutoSchema) -> Any:
        return [
            {"type": "http", "scheme": "bearer", "description": "A token, `ovs_…`."},
            {
                "type": "apiKey",
                "in": "cookie",
                "name": "overstory_session",
                "description": "A browser's session; what changes something also needs the header X-CSRFToken.",
            },
        ]


def problems(*more: int) -> dict[Any, Any]:
    """Responses that are problems: those every endpoint has, and `more`."""
    return {
        (status, "application/problem+json"): OpenApiResponse(ProblemShape, PROBLEMS[status])
        for status in sorted({*ALWAYS, *more})
    }


def page_of(shape: type[serializers.Serializer[Any]]) -> Any:
    """One page of a list."""
    name = shape.__name__.removesuffix("Shape")
    return inline_serializer(
        f"{name}Page",
        {
            "items": shape(many=True),
            "next": serializers.CharField(
                allow_null=True, help_text="Cursor of the next page; null: this is the last."
            ),
            "count": serializers.IntegerField(required=False),
            "count_is": serializers.ChoiceField(["exact", "estimate", "at_least"], required=False),
        },
    )


def page_parameters(orders: Sequence[str]) -> list[OpenApiParameter]:
    """What every list takes."""
    return [
        OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        OpenApiParameter("cursor", str, description="`next` of the page before; opaque."),
        OpenApiParameter(
            "count",
            str,
            enum=["estimate", "exact"],
            description="Also say how many there are; exact up to 10,000.",
        ),
        OpenApiParameter("order", str, enum=list(orders), description=f"Default: {orders[0]}."),
    ]


def query(
    name: str,
    description: str = "",
    *,
    kind: Any = str,
    many: bool = False,
    required: bool = False,
    **more: Any,
) -> OpenApiParameter:
    """One query parameter."""
    return OpenApiParameter(name, kind, description=description, many=many, required=required, **more)


def says(
    summary: str,
    *,
    operation: str,
    answers: Mapping[Any, Any],
    body: Any = None,
    parameters: Sequence[OpenApiParameter] = (),
    errors: Sequence[int] = (),
    tags: Sequence[str] = (),
    description: str = "",
) -> Callable[[Method], Method]:
    """`extend_schema` with our problems."""
    decorate: Callable[[Method], Method] = extend_schema(
        operation_id=operation,
        summary=summary,
        description=description or f"{summary}.",
        parameters=list(parameters),
        request=body,
        responses={**answers, **problems(*errors)},
        tags=list(tags),
    )
    return decorate


MOMENT = OpenApiTypes.DATETIME
TEXT = OpenApiTypes.STR
OBJECT = OpenApiTypes.OBJECT
DOCUMENT = {
    "application/json": OpenApiTypes.OBJECT,
    "application/yaml": OpenApiTypes.STR,
}
"""A tree document as a request's body."""
