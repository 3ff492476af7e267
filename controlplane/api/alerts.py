"""Alerts, the channels they are told by, and silences."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, visible_trees
from controlplane.api import alertshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, choice
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of, tag_of_body
from controlplane.filters.keyset import Order
from supervision.alerts import exceptions, selectors, services, signing, silences
from supervision.alerts.models import Alert, Channel, Delivery, Silence
from supervision.auditlog.services import audited

TAG = ["alerts"]
STATES = ("open", "acknowledged", "resolved", "unresolved")


def render_alert(alert: Alert) -> dict[str, Any]:
    return dict(alertshapes.AlertShape(alert).data)


def render_channel(channel: Channel) -> dict[str, Any]:
    return dict(alertshapes.ChannelShape(channel).data)


def render_silence(silence: Silence) -> dict[str, Any]:
    return dict(alertshapes.SilenceShape(silence).data)


def render_delivery(delivery: Delivery) -> dict[str, Any]:
    return dict(alertshapes.DeliveryShape(delivery).data)


NEWEST = Order(("id",), descending=True)
ALERTS = Listing({"newest": NEWEST, "oldest": Order(("id",))}, render_alert)
CHANNELS = Listing({"name": Order(("name", "id"))}, render_channel)
SILENCES = Listing({"newest": NEWEST}, render_silence)
DELIVERIES = Listing({"oldest": Order(("created_at", "id"))}, render_delivery)


def carried_out(act: Callable[[], Any]) -> Any:
    """What the room refuses, as the API says it. Any: what `act` returns."""
    try:
        return act()
    except exceptions.NotFound as error:
        raise Problem("not-found", str(error)) from None
    except exceptions.IllegalTransition as error:
        raise Problem("conflict", str(error)) from None
    except exceptions.InvalidChannel as error:
        raise Problem.invalid(f"/{error.field}", str(error)) from None


class Alerts(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"state", "kind", "tree"})
    is_list = True

    @schema.says(
        "List alerts",
        operation="list_alerts",
        description="Those of trees that may be seen; alerts of nodes need to see every tree.",
        answers={200: schema.page_of(alertshapes.AlertShape)},
        parameters=[
            *schema.page_parameters(list(ALERTS.orders)),
            schema.query("state", enum=STATES),
            schema.query("kind", enum=alertshapes.KINDS),
            schema.query("tree"),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.alerts(
            trees=visible_trees(self.principal),
            state=choice(request, "state", STATES) or "",
            kind=choice(request, "kind", tuple(alertshapes.KINDS)) or "",
            tree=request.query_params.get("tree", ""),
        )
        return ALERTS.page(request, rows)


class AlertDetail(Endpoint):
    needs = {"GET": None}

    @schema.says("One alert", operation="get_alert", answers={200: alertshapes.AlertShape}, tags=TAG)
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        alert = _alert(self, id)
        return answer(request, render_alert(alert), tag_of(alert.version))


class _AlertAction(Endpoint):
    needs = {"POST": None}
    change: Callable[..., Alert]

    def post(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        def act() -> Response:
            alert = _alert(self, id)
            require(self.principal, Permission.OPERATE, alert.tree or EVERY_TREE)
            reason = read(alertshapes.AlertAction, request)["reason"]
            changed = carried_out(
                lambda: type(self).change(alert_id=id, actor=self.actor, reason=reason, now=timezone.now())
            )
            return Response(render_alert(changed), headers={"ETag": tag_of(changed.version)})

        return self.once(request, act)


class AlertAcknowledge(_AlertAction):
    change = staticmethod(services.acknowledge_alert)

    @schema.says(
        "Acknowledge an alert: it is not told again",
        operation="acknowledge_alert",
        body=alertshapes.AlertAction,
        answers={200: alertshapes.AlertShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        return super().post(request, id)


class AlertResolve(_AlertAction):
    change = staticmethod(services.resolve_alert)

    @schema.says(
        "Resolve an alert: it is over",
        operation="resolve_alert",
        body=alertshapes.AlertAction,
        answers={200: alertshapes.AlertShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        return super().post(request, id)


class Deliveries(Endpoint):
    needs = {"GET": Permission.ADMIN}
    parameters = frozenset({"alert"})
    is_list = True

    @schema.says(
        "List what was sent, or is to be sent",
        operation="list_deliveries",
        answers={200: schema.page_of(alertshapes.DeliveryShape)},
        parameters=[
            *schema.page_parameters(list(DELIVERIES.orders)),
            schema.query("alert", "Only of this alert.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = Delivery.objects.select_related("channel")
        alert = request.query_params.get("alert")
        if alert is not None:
            if not alert.isdecimal() or len(alert) > 18:
                raise Problem.invalid("alert", "A number, please.")
            rows = rows.filter(alert_id=int(alert))
        return DELIVERIES.page(request, rows)


class Channels(Endpoint):
    needs = {"GET": Permission.ADMIN, "POST": Permission.ADMIN}
    is_list = True

    @schema.says(
        "List channels",
        operation="list_channels",
        answers={200: schema.page_of(alertshapes.ChannelShape)},
        parameters=schema.page_parameters(list(CHANNELS.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return CHANNELS.page(request, Channel.objects.all())

    @schema.says(
        "Make a channel",
        operation="create_channel",
        description="A webhook is signed; `GET /channels/{id}/key` shows the key that its receiver needs.",
        body=alertshapes.ChannelBody,
        answers={201: alertshapes.ChannelShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            made = _saved(self, request, None)
            return Response(render_channel(made), status=201, headers={"ETag": _channel_tag(made)})

        return self.once(request, act)


class ChannelDetail(Endpoint):
    needs = {"GET": Permission.ADMIN, "PUT": Permission.ADMIN, "DELETE": Permission.ADMIN}

    @schema.says("One channel", operation="get_channel", answers={200: alertshapes.ChannelShape}, tags=TAG)
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        channel = _channel(id)
        return answer(request, render_channel(channel), _channel_tag(channel))

    @schema.says(
        "Change a channel",
        operation="change_channel",
        body=alertshapes.ChannelBody,
        answers={200: alertshapes.ChannelShape},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 413, 415, 422, 428),
        tags=TAG,
    )
    def put(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        channel = _channel(id)
        require_match(request, _channel_tag(channel), lambda: render_channel(channel))
        changed = _saved(self, request, channel)
        return Response(render_channel(changed), headers={"ETag": _channel_tag(changed)})

    @schema.says(
        "Delete a channel",
        operation="delete_channel",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        channel = _channel(id)
        require_match(request, _channel_tag(channel), lambda: render_channel(channel))
        carried_out(lambda: services.delete_channel(channel_id=id, actor=self.actor))
        return Response(status=204)


class ChannelKey(Endpoint):
    needs = {"GET": Permission.ADMIN}

    @schema.says(
        "The key that signs a channel's messages",
        operation="get_channel_key",
        answers={200: alertshapes.ChannelKeyShape},
        tags=TAG,
    )
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        channel = _channel(id)
        key = signing.signing_key(
            str(settings.SECRET_KEY), channel_id=channel.pk, key_number=channel.key_number
        )
        body = {"header": signing.HEADER, "key": key, "key_number": channel.key_number}
        return Response(body, headers={"Cache-Control": "no-store"})


class ChannelTest(Endpoint):
    needs = {"POST": Permission.ADMIN}

    @schema.says(
        "Send a test message",
        operation="test_channel",
        answers={202: alertshapes.DeliveryShape},
        parameters=[schema.KEY],
        errors=(409, 422),
        tags=TAG,
    )
    def post(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        def act() -> Response:
            made = carried_out(
                lambda: services.test_channel(channel_id=id, actor=self.actor, now=timezone.now())
            )
            return Response(render_delivery(made), status=202)

        return self.once(request, act)


class Silences(Endpoint):
    needs = {"GET": Permission.VIEW, "POST": None}
    is_list = True

    @schema.says(
        "List silences that have not ended",
        operation="list_silences",
        answers={200: schema.page_of(alertshapes.SilenceShape)},
        parameters=schema.page_parameters(list(SILENCES.orders)),
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        return SILENCES.page(request, Silence.objects.filter(until__gt=timezone.now()))

    @schema.says(
        "Keep alerts that match, and do not tell them for a while",
        operation="create_silence",
        body=alertshapes.SilenceBody,
        answers={201: alertshapes.SilenceShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(alertshapes.SilenceBody, request)
            require(self.principal, Permission.OPERATE, body["tree"] or EVERY_TREE)
            made = silences.silence_alerts(
                kind=body["kind"],
                subject=body["subject"],
                tree=body["tree"],
                until=timezone.now() + timedelta(minutes=body["minutes"]),
                reason=body["reason"],
                actor=self.actor,
            )
            return Response(render_silence(made), status=201)

        return self.once(request, act)


class SilenceDetail(Endpoint):
    needs = {"DELETE": None}

    @schema.says("End a silence", operation="end_silence", answers={204: None}, tags=TAG)
    def delete(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        silence = Silence.objects.filter(pk=id, until__gt=timezone.now()).first()
        if silence is None:
            raise Problem("not-found", "There is no such silence, or it has ended.")
        require(self.principal, Permission.OPERATE, silence.tree or EVERY_TREE)
        carried_out(lambda: silences.end_silence(silence_id=id, actor=self.actor, now=timezone.now()))
        return Response(status=204)


def _alert(endpoint: Endpoint, number: int) -> Alert:
    found: Alert = carried_out(lambda: selectors.get_alert(number, trees=visible_trees(endpoint.principal)))
    return found


def _channel(number: int) -> Channel:
    found: Channel = carried_out(lambda: services.get_channel(number))
    return found


def _channel_tag(channel: Channel) -> str:
    return tag_of_body(render_channel(channel))


def _saved(endpoint: Endpoint, request: Request, channel: Channel | None) -> Channel:
    body = read(alertshapes.ChannelBody, request)
    try:
        with audited():
            made: Channel = carried_out(
                lambda: services.save_channel(
                    channel=channel,
                    name=body["name"],
                    kind=body["kind"],
                    target=body["target"],
                    kinds=list(body["kinds"]),
                    tree=body["tree"],
                    is_enabled=body["enabled"],
                    actor=endpoint.actor,
                )
            )
    except IntegrityError:
        raise Problem("conflict", f"There is a channel {body['name']} already.") from None
    return made
