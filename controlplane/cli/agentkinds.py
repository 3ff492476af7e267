"""Kinds of agents on the command line: of the control plane on this host, through its own services, or over REST."""

from typing import Protocol

from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body


class Kinds(Protocol):
    """Where kinds are kept. Answers have the shapes of the API (docs/api.md)."""

    def listed(self) -> list[Body]: ...

    def shown(self, name: str) -> Body: ...

    def planned(self, name: str, schema: Body) -> Body: ...

    def put(self, name: str, schema: Body, *, description: str | None) -> Body: ...

    def deleted(self, name: str) -> None: ...


def kinds_of(remote: Address | None) -> Kinds:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


class Remote:
    """Over REST, each change based on what was read a moment before."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def listed(self) -> list[Body]:
        return list(self._api.pages("agent_kinds"))

    def shown(self, name: str) -> Body:
        found: Body = self._api.get(f"agent_kinds/{name}").body
        return found

    def planned(self, name: str, schema: Body) -> Body:
        found: Body = self._api.post(f"agent_kinds/{name}/plan", {"schema": schema}).body
        return found

    def put(self, name: str, schema: Body, *, description: str | None) -> Body:
        known = next((one for one in self.listed() if one["name"] == name), None)
        headers = {"If-None-Match": "*"} if known is None else {"If-Match": f'"{known["version"]}"'}
        said = description if description is not None else (known["description"] if known else "")
        body = {"schema": schema, "description": said}
        found: Body = self._api.request("PUT", f"agent_kinds/{name}", body=body, headers=headers).body
        return found

    def deleted(self, name: str) -> None:
        headers = {"If-Match": f'"{self.shown(name)["version"]}"'}
        self._api.request("DELETE", f"agent_kinds/{name}", headers=headers)


class Local:
    """Through the services, as whoever runs the command on the control plane's host."""

    def listed(self) -> list[Body]:
        from agents.configs.models import AgentKind
        from controlplane.api.agentkinds import render

        return [render(kind) for kind in AgentKind.objects.order_by("name")]

    def shown(self, name: str) -> Body:
        from agents.configs.kinds import kind_by_name
        from controlplane.api.agentkinds import render

        return render(kind_by_name(name))

    def planned(self, name: str, schema: Body) -> Body:
        from agents.configs.kinds import fitting
        from controlplane.api.agentkinds import render_fitting

        return render_fitting(fitting(name, schema))

    def put(self, name: str, schema: Body, *, description: str | None) -> Body:
        from agents.configs.kinds import put_kind
        from agents.configs.models import AgentKind
        from controlplane.access.actors import local_actor
        from controlplane.api.agentkinds import render

        known = AgentKind.objects.filter(name=name).first()
        said = description if description is not None else (known.description if known else "")
        return render(put_kind(name=name, schema=schema, description=said, actor=local_actor()))

    def deleted(self, name: str) -> None:
        from agents.configs.kinds import delete_kind
        from controlplane.access.actors import local_actor

        delete_kind(name=name, actor=local_actor())
