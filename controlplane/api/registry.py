"""The registry: who holds which key, which services are ready."""

from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from agents.exceptions import ChangedMeanwhileError, UnknownError
from agents.registry import declaring, selectors, services
from agents.registry.models import Registration, Service
from agents.registry.questions import registration_facts
from agents.registry.readiness import Standing
from agents.registry.services import Facts, HeldError, Owner
from agents.registry.waiting import TooManyWaitsError, wait_for_service
from controlplane.access.policy import Permission, visible_trees
from controlplane.api import registryshapes, schema
from controlplane.api.agentkinds import new_or
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, boolean, integer
from controlplane.api.shapes import read
from controlplane.api.versions import answer, expected_version, stale, tag_of
from controlplane.filters.keyset import Order

TAG = ["agents"]
MAX_WAIT_S = 30


def render(row: Registration) -> dict[str, Any]:
    lease = row.lease_until.isoformat() if row.lease_until is not None else None
    return {**registration_facts(row), "lease_until": lease}


REGISTRATIONS = Listing(
    {"name": Order(("namespace", "key")), "newest": Order(("id",), descending=True)}, render
)


def visible(endpoint: Endpoint, rows: QuerySet[Registration]) -> QuerySet[Registration]:
    """Those of trees one may see; those outside of trees for who sees all."""
    names = visible_trees(endpoint.principal)
    return rows if names is None else rows.filter(~Q(tree=""), tree__in=names)


class Registrations(Endpoint):
    needs = {"GET": None, "POST": Permission.OPERATE}
    is_list = True

    def known_parameters(self, request: Request) -> frozenset[str]:
        asked = frozenset({"namespace", "key", "capability", "service", "node", "label", "healthy", "child"})
        return asked if request.method != "POST" else frozenset()

    @schema.says(
        "Who holds which key",
        operation="list_registrations",
        description="Only what somebody holds now: no row of an owner whose end was recorded before is among them.",
        answers={200: schema.page_of(registryshapes.RegistrationShape)},
        parameters=[
            *schema.page_parameters(list(REGISTRATIONS.orders)),
            schema.query("namespace"),
            schema.query("key"),
            schema.query("child", "Key of the child that holds it."),
            schema.query("capability"),
            schema.query("service"),
            schema.query("node", "Id or name."),
            schema.query("label", "`name=value`, of the registration or of its node."),
            schema.query("healthy", "Ready, and its child is running.", kind=bool),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        asked = request.query_params
        rows = selectors.find(
            namespace=asked.get("namespace"),
            capability=asked.get("capability"),
            service=asked.get("service"),
            node=asked.get("node"),
            label=_label(asked.get("label")),
            healthy=boolean(request, "healthy"),
        )
        for name in ("key", "child"):
            if name in asked:
                rows = rows.filter(**{name: asked[name]})
        return REGISTRATIONS.page(request, visible(self, rows))

    @schema.says(
        "Hold a key by a lease",
        operation="register",
        description=(
            "For programs outside of trees; agents register through their node. 409 says who holds the key. The lease is "
            "renewed by PATCH with the epoch as If-Match, and is over after `lease_s`."
        ),
        body=registryshapes.RegisterBody,
        answers={201: registryshapes.RegistrationShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        def act() -> Response:
            body = read(registryshapes.RegisterBody, request)
            namespace, key, lease_s = body.pop("namespace"), body.pop("key"), body.pop("lease_s")
            owner = Owner(holder=body.pop("holder") or self.principal.name, lease_s=lease_s)
            try:
                row = services.register(namespace=namespace, key=key, owner=owner, facts=Facts(**body))
            except HeldError as error:
                raise _held(error) from error
            where = reverse("api:registration", args=[namespace, key])
            return Response(render(row), status=201, headers={"ETag": tag_of(row.epoch), "Location": where})

        return self.once(request, act)


def _held(error: HeldError) -> Problem:
    words = str(error)
    extra = {"holder": render(error.holder), "epoch": error.holder.epoch}
    return Problem(
        "conflict", f"{words[:1].upper()}{words[1:]}, with epoch {error.holder.epoch}.", extra=extra
    )


def _label(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    name, sign, value = text.partition("=")
    if not sign:
        raise Problem.invalid("label", "A name and a value, such as `zone=north`.")
    return name, value


class RegistrationDetail(Endpoint):
    needs = {"GET": None, "PATCH": Permission.OPERATE, "DELETE": Permission.OPERATE}

    def _row(self, namespace: str, key: str) -> Registration:
        row = visible(self, selectors.registrations()).filter(namespace=namespace, key=key).first()
        if row is None:
            raise Problem("not-found", f"Nobody holds {namespace}/{key}.")
        return row

    @schema.says(
        "Who holds a key",
        operation="whereis",
        answers={200: registryshapes.RegistrationShape},
        tags=TAG,
    )
    def get(self, request: Request, namespace: str, key: str) -> Response:
        row = self._row(namespace, key)
        return answer(request, render(row), tag_of(row.epoch))

    @schema.says(
        "Renew a lease",
        operation="renew_registration",
        description="If-Match is the epoch that `register` answered: 412 when somebody else holds the key by now.",
        body=registryshapes.RenewBody,
        answers={200: registryshapes.RegistrationShape},
        parameters=[schema.IF_MATCH],
        errors=(412, 413, 415, 428),
        tags=TAG,
    )
    def patch(self, request: Request, namespace: str, key: str) -> Response:
        epoch = expected_version(request)
        body = read(registryshapes.RenewBody, request)
        try:
            row = services.renew(
                namespace=namespace, key=key, epoch=self._epoch(namespace, key, epoch), **body
            )
        except ChangedMeanwhileError:
            raise self._stale(namespace, key) from None
        return Response(render(row), headers={"ETag": tag_of(row.epoch)})

    @schema.says(
        "Let go of a key",
        operation="release_registration",
        description=(
            "The holder's own by its epoch. An admin of the owner's tree takes a key away from a child, with `If-Match: *`."
        ),
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, namespace: str, key: str) -> Response:
        epoch = expected_version(request)
        row = self._row(namespace, key)
        if epoch is not None and epoch != row.epoch:
            raise self._stale(namespace, key)
        if row.node_id is not None:
            if not self.principal.can(Permission.ADMIN, row.tree):
                raise Problem("forbidden", "It belongs to a child: an admin may take it away.")
            services.remove(namespace=namespace, key=key, actor=self.actor)
            return Response(status=204)
        try:
            services.release(namespace=namespace, key=key, epoch=row.epoch if epoch is None else epoch)
        except ChangedMeanwhileError:
            raise self._stale(namespace, key) from None
        return Response(status=204)

    def _epoch(self, namespace: str, key: str, epoch: int | None) -> int:
        return self._row(namespace, key).epoch if epoch is None else epoch

    def _stale(self, namespace: str, key: str) -> Problem:
        row = self._row(namespace, key)
        return stale(tag_of(row.epoch), render(row))


# -- services -----------------------------------------------------------------------------------------------------------


def render_service(service: Service) -> dict[str, Any]:
    return dict(registryshapes.ServiceShape(service).data)


SERVICES = Listing({"name": Order(("namespace", "name"))}, render_service)


class Services(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"namespace"})
    is_list = True

    @schema.says(
        "List declared services",
        operation="list_services",
        answers={200: schema.page_of(registryshapes.ServiceShape)},
        parameters=[*schema.page_parameters(list(SERVICES.orders)), schema.query("namespace")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = Service.objects.all()
        if "namespace" in request.query_params:
            rows = rows.filter(namespace=request.query_params["namespace"])
        return SERVICES.page(request, rows)


class ServiceDetail(Endpoint):
    needs = {"GET": Permission.VIEW, "PUT": Permission.ADMIN, "DELETE": Permission.ADMIN}

    @schema.says(
        "One declared service",
        operation="get_service",
        answers={200: registryshapes.ServiceShape},
        tags=TAG,
    )
    def get(self, request: Request, namespace: str, name: str) -> Response:
        service = declaring.service_by_name(namespace, name)
        return answer(request, render_service(service), tag_of(service.version))

    @schema.says(
        "Declare a service",
        operation="put_service",
        description="What it depends on, and how many ready providers it needs. A cycle is 400 and named.",
        body=registryshapes.ServiceBody,
        answers={200: registryshapes.ServiceShape, 201: registryshapes.ServiceShape},
        parameters=[schema.IF_MATCH_OPTIONAL, schema.IF_NONE_MATCH],
        errors=(412, 413, 415, 428),
        tags=TAG,
    )
    def put(self, request: Request, namespace: str, name: str) -> Response:
        expected = new_or(request)
        body = read(registryshapes.ServiceBody, request)
        try:
            service = declaring.put_service(
                namespace=namespace, name=name, actor=self.actor, expected=expected, **body
            )
        except ChangedMeanwhileError:
            raise _stale(namespace, name) from None
        headers = {"ETag": tag_of(service.version)}
        return Response(render_service(service), status=201 if expected == 0 else 200, headers=headers)

    @schema.says(
        "Forget a service",
        operation="delete_service",
        answers={204: None},
        parameters=[schema.IF_MATCH],
        errors=(409, 412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, namespace: str, name: str) -> Response:
        try:
            declaring.delete_service(
                namespace=namespace, name=name, actor=self.actor, expected=expected_version(request)
            )
        except ChangedMeanwhileError:
            raise _stale(namespace, name) from None
        return Response(status=204)


def _stale(namespace: str, name: str) -> Problem:
    try:
        service = declaring.service_by_name(namespace, name)
    except UnknownError:
        return stale("", None)
    return stale(tag_of(service.version), render_service(service))


class ServiceReady(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"wait"})

    @schema.says(
        "Whether a service is ready",
        operation="wait_for_service",
        description=(
            "With `wait` it answers as soon as the service is ready, also one that nobody has declared or provides yet, and "
            "with 504 when it is not by then."
        ),
        answers={200: registryshapes.StandingShape},
        parameters=[schema.query("wait", f"Seconds, {MAX_WAIT_S} at most.", kind=int)],
        errors=(504,),
        tags=TAG,
    )
    def get(self, request: Request, namespace: str, name: str) -> Response:
        wait_s = integer(request, "wait", default=0, least=0, most=MAX_WAIT_S)
        try:
            found = wait_for_service(namespace, name, timeout_s=float(wait_s))
        except TooManyWaitsError as error:
            words = f"{error}: ask again."
            raise Problem(
                "unavailable", words[:1].upper() + words[1:], headers={"Retry-After": "1"}
            ) from None
        if wait_s and not found.ready:
            words = f"{namespace}/{name} is not ready: {', '.join(found.missing)}."
            raise Problem("timeout", words, extra={"missing": ", ".join(found.missing)})
        return Response(render_standing(found))


def render_standing(found: Standing) -> dict[str, Any]:
    return {"ready": found.ready, "providers": found.providers, "missing": list(found.missing)}
