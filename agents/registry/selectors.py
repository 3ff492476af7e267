"""Reads of the registry. Each lookup is one statement: it never answers with an owner whose end it could have seen."""

from collections.abc import Mapping

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from agents.registry.living import living
from agents.registry.models import Registration, Service
from agents.registry.readiness import Declared, Standing, needed, standing
from supervision.journal.models import ObservedChild


def registrations() -> QuerySet[Registration]:
    """What somebody holds now, each with its node."""
    return living().select_related("node")


def whereis(namespace: str, key: str) -> Registration | None:
    """Who holds the key; None for nobody. One statement."""
    return registrations().filter(namespace=namespace, key=key).first()


def find(
    *,
    namespace: str | None = None,
    capability: str | None = None,
    service: str | None = None,
    node: str | None = None,
    label: tuple[str, str] | None = None,
    healthy: bool | None = None,
) -> QuerySet[Registration]:
    """Who can do something. `node`: id or name; `label`: of the registration, or of its node; `healthy`: see `providing`."""
    rows = registrations()
    if namespace is not None:
        rows = rows.filter(namespace=namespace)
    if capability is not None:
        rows = rows.filter(capabilities__contains=[capability])
    if service is not None:
        rows = rows.filter(service=service)
    if node is not None:
        rows = rows.filter(Q(node_id=node) | Q(node__name=node))
    if label is not None:
        held = {label[0]: label[1]}
        rows = rows.filter(Q(labels__contains=held) | Q(node__labels__contains=held))
    if healthy is not None:
        rows = rows.filter(_healthy() if healthy else ~_healthy())
    return rows


def _healthy() -> Q:
    """It says that it is ready, and its child, if it is one's, is running."""
    running = ObservedChild.objects.filter(
        node_id=OuterRef("node_id"),
        key=OuterRef("child"),
        incarnation=OuterRef("incarnation"),
        state="running",
    )
    return Q(Q(node__isnull=True) | Q(Exists(running)), ready=True)


def service_standing(namespace: str, name: str) -> Standing:
    """How the service stands now."""
    declared = declared_in(namespace)
    return standing(name, declared, provider_counts(namespace, [name, *needed(name, declared)]))


def declared_in(namespace: str) -> dict[str, Declared]:
    """What services of the namespace ask for."""
    rows = Service.objects.filter(namespace=namespace).values_list("name", "depends_on", "min_ready")
    return {name: Declared(tuple(depends_on), least) for name, depends_on, least in rows}


def provider_counts(namespace: str, names: list[str]) -> Mapping[str, int]:
    """Ready providers of each of these services."""
    rows = living().filter(_healthy(), namespace=namespace, service__in=names)
    return dict(rows.order_by().values_list("service").annotate(count=Count("pk")))
