"""Services as they are declared: what they depend on, how many providers they need."""

from collections.abc import Sequence

from django.db import connection
from django.utils import timezone

from agents.configs.document import check_names
from agents.exceptions import ChangedMeanwhileError, InUseError, InvalidConfigError, UnknownError
from agents.registry.models import Service
from agents.registry.readiness import cycle
from agents.registry.selectors import declared_in
from agents.registry.services import CHANGED
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.trees.exceptions import Fault
from supervision.trees.notices import notify

LOCK = 0x6F766572_73727663 & 0x7FFFFFFFFFFFFFFF
"""Advisory lock: two services that are declared at once must not close a cycle together."""
MAX_DEPENDENCIES = 100
MAX_PROVIDERS = 10_000


def service_by_name(namespace: str, name: str) -> Service:
    """Raises UnknownError."""
    found = Service.objects.filter(namespace=namespace, name=name).first()
    if found is None:
        raise UnknownError(f"the service {namespace}/{name} is not declared")
    return found


def put_service(
    *,
    namespace: str,
    name: str,
    depends_on: Sequence[str] = (),
    min_ready: int = 1,
    description: str = "",
    actor: Actor,
    expected: int | None = None,
) -> Service:
    """Declare it, or change it. `expected`: the version the caller saw (0: none); None: whatever is there.

    Raises InvalidConfigError (a cycle is named), ChangedMeanwhileError.
    """
    check_names(namespace=namespace, name=name)
    for index, other in enumerate(depends_on):
        check_names(**{f"depends_on/{index}": other})
    if len(depends_on) > MAX_DEPENDENCIES or not 1 <= min_ready <= MAX_PROVIDERS:
        raise InvalidConfigError(
            [Fault("", f"at most {MAX_DEPENDENCIES} dependencies, 1 to {MAX_PROVIDERS} providers")]
        )
    with auditlog.audited():
        _lock()
        service = Service.objects.select_for_update().filter(namespace=namespace, name=name).first()
        _refuse_changed(service, namespace, name, expected)
        way = cycle(name, depends_on, declared_in(namespace))
        if way:
            raise InvalidConfigError([Fault("/depends_on", f"a cycle: {' needs '.join(way)}")])
        if service is None:
            service = Service(namespace=namespace, name=name, version=0)
        service.depends_on, service.min_ready = list(dict.fromkeys(depends_on)), min_ready
        service.description, service.changed_at = description, timezone.now()
        service.version += 1
        service.save()
        notify(CHANGED, namespace)
        details = {"depends_on": service.depends_on, "min_ready": min_ready, "version": service.version}
        auditlog.record(actor=actor, action="service.put", target=str(service), details=details)
    return service


def delete_service(*, namespace: str, name: str, actor: Actor, expected: int | None = None) -> None:
    """Raises UnknownError, ChangedMeanwhileError, and InUseError while another one depends on it."""
    with auditlog.audited():
        _lock()
        service = Service.objects.select_for_update().filter(namespace=namespace, name=name).first()
        if service is None:
            raise UnknownError(f"the service {namespace}/{name} is not declared")
        _refuse_changed(service, namespace, name, expected)
        users = [other for other, asks in declared_in(namespace).items() if name in asks.depends_on]
        if users:
            raise InUseError(f"{', '.join(users[:10])} depend on {name}", users)
        service.delete()
        notify(CHANGED, namespace)
        auditlog.record(actor=actor, action="service.delete", target=f"{namespace}/{name}")


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _refuse_changed(service: Service | None, namespace: str, name: str, expected: int | None) -> None:
    current = service.version if service is not None else 0
    if expected is not None and expected != current:
        raise ChangedMeanwhileError(f"the service {namespace}/{name} was changed meanwhile")
