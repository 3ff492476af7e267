"""The registry on the command line: who holds which key, on this host through the services, or over REST."""

from collections.abc import Mapping
from typing import Any, Protocol

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body


class Registrations(Protocol):
    """Where registrations are kept. Answers have the shapes of the API (docs/api.md)."""

    def listed(self, asked: Mapping[str, str]) -> list[Body]: ...

    def shown(self, ref: str) -> Body: ...

    def taken_away(self, ref: str) -> None: ...


def registrations_of(remote: Address | None) -> Registrations:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


def parts(ref: str) -> tuple[str, str]:
    """`namespace/key`, the key with further slashes if it has some; a key alone is one of `default`. Raises CliError."""
    namespace, slash, key = ref.partition("/")
    if not slash:
        namespace, key = "default", ref
    if not namespace or not key:
        raise CliError(f"{ref!r} is no registration: write namespace/key", exit_code=ExitCode.USAGE)
    return namespace, key


class Remote:
    """Over REST."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def listed(self, asked: Mapping[str, str]) -> list[Body]:
        return list(self._api.pages("registrations", **asked))

    def shown(self, ref: str) -> Body:
        found: Body = self._api.get("registrations/" + "/".join(parts(ref))).body
        return found

    def taken_away(self, ref: str) -> None:
        headers = {"If-Match": f'"{self.shown(ref)["epoch"]}"'}
        self._api.request("DELETE", "registrations/" + "/".join(parts(ref)), headers=headers)


class Local:
    """Through the selectors, as whoever runs the command on the control plane's host."""

    def listed(self, asked: Mapping[str, str]) -> list[Body]:
        from agents.registry import selectors
        from controlplane.api.registry import render

        choices: dict[str, Any] = {
            name: asked.get(name) for name in ("namespace", "capability", "service", "node")
        }
        healthy, label = asked.get("healthy"), asked.get("label", "").partition("=")
        rows = selectors.find(
            **choices,
            label=(label[0], label[2]) if label[1] else None,
            healthy=None if healthy is None else healthy == "true",
        )
        for name in ("key", "child"):
            if name in asked:
                rows = rows.filter(**{name: asked[name]})
        return [render(row) for row in rows.order_by("namespace", "key")]

    def shown(self, ref: str) -> Body:
        from agents.exceptions import UnknownError
        from agents.registry.selectors import whereis
        from controlplane.api.registry import render

        namespace, key = parts(ref)
        row = whereis(namespace, key)
        if row is None:
            raise UnknownError(f"nobody holds {namespace}/{key}")
        return render(row)

    def taken_away(self, ref: str) -> None:
        from agents.registry.services import remove
        from controlplane.access.actors import local_actor

        self.shown(ref)
        namespace, key = parts(ref)
        remove(namespace=namespace, key=key, actor=local_actor())
