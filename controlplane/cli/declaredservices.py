"""Services of the registry on the command line: on this host through the services of the room, or over REST."""

from typing import Any, Protocol

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body, namespace_and_name
from supervision.runtime.client import ControlError

ASKED_AT_ONCE_S = 20
"""A longer wait is several requests."""


def parts(ref: str) -> tuple[str, str]:
    """Raises CliError."""
    return namespace_and_name(ref, "service")


class Services(Protocol):
    """Where services are declared. Answers have the shapes of the API (docs/api.md)."""

    def listed(self) -> list[Body]: ...

    def shown(self, ref: str) -> Body: ...

    def standing(self, ref: str) -> Body: ...

    def put(self, ref: str, wanted: Body) -> Body: ...

    def deleted(self, ref: str) -> None: ...

    def waited(self, ref: str, seconds: float) -> Body: ...


def services_of(remote: Address | None) -> Services:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


class Remote:
    """Over REST, each change based on what was read a moment before."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @staticmethod
    def _path(ref: str) -> str:
        return "services/" + "/".join(parts(ref))

    def listed(self) -> list[Body]:
        return list(self._api.pages("services"))

    def shown(self, ref: str) -> Body:
        found: Body = self._api.get(self._path(ref)).body
        return found

    def standing(self, ref: str) -> Body:
        found: Body = self._api.get(f"{self._path(ref)}/ready").body
        return found

    def put(self, ref: str, wanted: Body) -> Body:
        namespace, name = parts(ref)
        rows = self._api.pages("services", namespace=namespace)
        known = next((one for one in rows if one["name"] == name), None)
        headers = {"If-None-Match": "*"} if known is None else {"If-Match": f'"{known["version"]}"'}
        found: Body = self._api.request("PUT", self._path(ref), body=dict(wanted), headers=headers).body
        return found

    def deleted(self, ref: str) -> None:
        self._api.request("DELETE", self._path(ref), headers={"If-Match": f'"{self.shown(ref)["version"]}"'})

    def waited(self, ref: str, seconds: float) -> Body:
        left = int(max(0.0, seconds))
        while True:
            part = min(left, ASKED_AT_ONCE_S)
            try:
                found: Body = self._api.get(f"{self._path(ref)}/ready", timeout_s=part + 30.0, wait=part).body
            except ControlError as error:
                if error.code != "unavailable":
                    raise
                found = self.standing(ref)
            left -= part
            if found["ready"] or left <= 0:
                return found


class Local:
    """Through the services, as whoever runs the command on the control plane's host."""

    def listed(self) -> list[Body]:
        from agents.registry.models import Service
        from controlplane.api.registry import render_service

        return [render_service(row) for row in Service.objects.order_by("namespace", "name")]

    def shown(self, ref: str) -> Body:
        from agents.registry.declaring import service_by_name
        from controlplane.api.registry import render_service

        return render_service(service_by_name(*parts(ref)))

    def standing(self, ref: str) -> Body:
        return self.waited(ref, 0.0)

    def put(self, ref: str, wanted: Body) -> Body:
        from agents.registry.declaring import put_service
        from controlplane.access.actors import local_actor
        from controlplane.api.registry import render_service
        from controlplane.api.registryshapes import ServiceBody

        body = ServiceBody(data=dict(wanted))
        if not body.is_valid():
            field, why = next(iter(body.errors.items()))
            raise CliError(f"{field}: {why[0] if isinstance(why, list) else why}", pointer=f"/{field}")
        said: dict[str, Any] = dict(body.validated_data)
        namespace, name = parts(ref)
        return render_service(put_service(namespace=namespace, name=name, actor=local_actor(), **said))

    def deleted(self, ref: str) -> None:
        from agents.registry.declaring import delete_service
        from controlplane.access.actors import local_actor

        namespace, name = parts(ref)
        delete_service(namespace=namespace, name=name, actor=local_actor())

    def waited(self, ref: str, seconds: float) -> Body:
        from agents.registry.waiting import TooManyWaitsError, wait_for_service
        from controlplane.api.registry import render_standing

        try:
            return render_standing(wait_for_service(*parts(ref), timeout_s=seconds))
        except TooManyWaitsError as error:
            raise CliError(str(error), exit_code=ExitCode.FAILED, code="unavailable") from None
