"""Bodies in and out: serializers that refuse what they do not know, and the parts several resources share."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from controlplane.access.policy import Role, Scope
from controlplane.api.exceptions import Problem, escape

NAME = r"^[^\x00]*$"


class Body(serializers.Serializer[Any]):
    """A request's body. Names that it does not know are refused: a misspelled option must not be silently left out."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            raise Problem.invalid("", "A JSON object.")
        unknown = [name for name in data if name not in self.fields]
        if unknown:
            known = ", ".join(self.fields) or "none"
            raise serializers.ValidationError(
                {name: [f"There is no such field; there are: {known}."] for name in unknown[:20]}
            )
        return super().to_internal_value(data)


def read(shape: type[Body], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The checked body. Raises ValidationError with every fault. Any: values are typed by the shape's fields."""
    body = shape(data=request.data, partial=partial)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def pointer(*parts: str) -> str:
    return "".join(f"/{escape(part)}" for part in parts)


class TreeName(serializers.CharField):
    """A tree's name, or "" for every tree."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=64, allow_blank=True, trim_whitespace=False, **options)


class ProblemErrors(serializers.Serializer[Any]):
    """One part of a request that is wrong."""

    pointer = serializers.CharField(
        help_text="JSON pointer into the body, or the parameter's or header's name."
    )
    detail = serializers.CharField()
    line = serializers.IntegerField(required=False, help_text="In the text that was sent, from 1.")


class ProblemShape(serializers.Serializer[Any]):
    """An error (RFC 9457)."""

    type = serializers.CharField(help_text="Address that explains this kind of error.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField(help_text="urn:uuid: and the request id.")
    trace_id = serializers.CharField(help_text="The request id, as in X-Request-ID.")
    errors = ProblemErrors(many=True, required=False)  # type: ignore[assignment]  # the field of RFC 9457, not DRF's attribute
    current = serializers.JSONField(required=False, help_text="With 412: the thing as it is now.")
    missing = serializers.CharField(required=False, help_text="With 503: what does not answer.")


class GrantShape(serializers.Serializer[Any]):
    """A role on a tree, or on every tree."""

    role = serializers.ChoiceField(choices=[role.value for role in Role])
    tree = TreeName(default="")


class MeShape(serializers.Serializer[Any]):
    """Who asks, and what that allows."""

    user = serializers.CharField()
    user_id = serializers.IntegerField()
    grants = GrantShape(many=True)
    token = serializers.CharField(allow_null=True, help_text="Name of the token, when one was sent.")
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)
    trees = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Trees that are visible; null: every tree."
    )


class NewPassword(Body):
    """A password for oneself."""

    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True)
    current = serializers.CharField(
        max_length=4096, trim_whitespace=False, write_only=True, required=False, allow_blank=True
    )


class TokenShape(serializers.Serializer[Any]):
    """A token, without its text."""

    id = serializers.IntegerField()
    user = serializers.CharField(source="user.username")
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="How its text begins.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=[scope.value for scope in Scope]))
    tree = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewTokenShape(TokenShape):
    """A token that was just made, with its text."""

    token = serializers.CharField(
        allow_null=True, help_text="Shown this once; null where an Idempotency-Key brought the answer back."
    )


class NewToken(Body):
    """A token for oneself."""

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[scope.value for scope in Scope]), min_length=1, max_length=4
    )
    tree = TreeName(default="")
    expires_at = serializers.DateTimeField()


class UserShape(serializers.Serializer[Any]):
    """A user."""

    id = serializers.IntegerField()
    name = serializers.CharField(source="username")
    email = serializers.CharField()
    active = serializers.BooleanField(source="is_active")
    last_login = serializers.DateTimeField(allow_null=True)
    grants = GrantShape(many=True)


class NewUser(Body):
    """A user who is to be made."""

    name = serializers.CharField(max_length=150)
    email = serializers.EmailField(required=False, allow_blank=True, default="", max_length=254)
    grants = GrantShape(many=True, required=False, default=list)


class UserChange(Body):
    """What of a user may be changed."""

    active = serializers.BooleanField(required=False)
    grants = GrantShape(many=True, required=False)
    password = serializers.CharField(max_length=4096, trim_whitespace=False, write_only=True, required=False)


class LinkShape(serializers.Serializer[Any]):
    """A login link that was just made."""

    url = serializers.CharField(allow_null=True, help_text="Shown this once.")
    user = serializers.CharField()
    expires_at = serializers.DateTimeField()
