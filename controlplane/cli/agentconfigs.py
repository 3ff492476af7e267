"""Agent configs on the command line: of the control plane on this host, through its own services, or over REST."""

from typing import Protocol

from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body, namespace_and_name


class Configs(Protocol):
    """Where configs are kept. Answers have the shapes of the API (docs/api.md)."""

    def listed(self) -> list[Body]: ...

    def shown(self, ref: str) -> Body: ...

    def planned(self, ref: str, document: Body) -> Body: ...

    def applied(self, ref: str, document: Body, *, message: str, observe_s: float | None) -> Body: ...

    def compared(self, ref: str, older: int | None, newer: int | None) -> Body: ...

    def rolled_back(self, ref: str, number: int, *, message: str, observe_s: float | None) -> Body: ...

    def deleted(self, ref: str) -> None: ...

    def stopped(self, ref: str, *, message: str) -> None: ...


def configs_of(remote: Address | None) -> Configs:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


def parts(ref: str) -> tuple[str, str]:
    """Raises CliError."""
    return namespace_and_name(ref, "config")


class Remote:
    """Over REST, each change based on what was read a moment before: somebody else's edit in between is refused."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @staticmethod
    def _path(ref: str) -> str:
        return "agent_configs/" + "/".join(parts(ref))

    def listed(self) -> list[Body]:
        return list(self._api.pages("agent_configs"))

    def shown(self, ref: str) -> Body:
        found: Body = self._api.get(self._path(ref)).body
        return found

    def planned(self, ref: str, document: Body) -> Body:
        found: Body = self._api.post(f"{self._path(ref)}/plan", document).body
        return found

    def applied(self, ref: str, document: Body, *, message: str, observe_s: float | None) -> Body:
        namespace, name = parts(ref)
        there = {
            (one["namespace"], one["name"]): one
            for one in self._api.pages("agent_configs", namespace=namespace)
        }
        known = there.get((namespace, name))
        headers = {"If-None-Match": "*"} if known is None else {"If-Match": f'"{known["version"]}"'}
        query = {"message": message or None, **_canary(observe_s)}
        found: Body = self._api.request(
            "PUT", self._path(ref), query=query, body=document, headers=headers
        ).body
        return found

    def compared(self, ref: str, older: int | None, newer: int | None) -> Body:
        query = {"from": older, "to": newer}
        found: Body = self._api.request("GET", f"{self._path(ref)}/diff", query=query).body
        return found

    def rolled_back(self, ref: str, number: int, *, message: str, observe_s: float | None) -> Body:
        headers = {"If-Match": f'"{self.shown(ref)["version"]}"'}
        body = {"to": number, "message": message}
        found: Body = self._api.request(
            "POST", f"{self._path(ref)}/rollback", query=_canary(observe_s), body=body, headers=headers
        ).body
        return found

    def deleted(self, ref: str) -> None:
        self._api.request("DELETE", self._path(ref), headers={"If-Match": f'"{self.shown(ref)["version"]}"'})

    def stopped(self, ref: str, *, message: str) -> None:
        headers = {"If-Match": f'"{self.shown(ref)["version"]}"'}
        query = {"reason": message or None}
        self._api.request("DELETE", f"{self._path(ref)}/canary", query=query, headers=headers)


def _canary(observe_s: float | None) -> dict[str, str]:
    return {} if observe_s is None else {"canary": "true", "observe": str(int(observe_s))}


class Local:
    """Through the services, as whoever runs the command on the control plane's host."""

    def listed(self) -> list[Body]:
        from agents.configs import selectors
        from controlplane.api.agentconfigs import render

        return [render(config) for config in selectors.configs().order_by("namespace", "name")]

    def shown(self, ref: str) -> Body:
        from agents.configs import selectors
        from controlplane.api.agentconfigs import render_detail

        return render_detail(selectors.config_by_name(*parts(ref)))

    def planned(self, ref: str, document: Body) -> Body:
        from agents.configs.document import read_config
        from controlplane.api.configplanning import plan_config

        return plan_config(*parts(ref), read_config(document))

    def applied(self, ref: str, document: Body, *, message: str, observe_s: float | None) -> Body:
        from agents.configs.canaries import CanaryOptions
        from agents.configs.services import put_config
        from controlplane.access.actors import local_actor
        from controlplane.api.agentconfigs import applied_body

        namespace, name = parts(ref)
        return applied_body(
            put_config(
                namespace=namespace,
                name=name,
                document=document,
                message=message,
                actor=local_actor(),
                canary=None if observe_s is None else CanaryOptions(observe_s),
                source="cli",
            )
        )

    def compared(self, ref: str, older: int | None, newer: int | None) -> Body:
        from agents.configs import selectors
        from agents.configs.document import config_diff

        config = selectors.config_by_name(*parts(ref))
        to_number = newer or (config.head.number if config.head is not None else 1)
        from_number = older or max(1, to_number - 1)
        first, second = (selectors.revision(config, number) for number in (from_number, to_number))
        diff = config_diff(first.document, second.document)
        return {"from_revision": from_number, "to_revision": to_number, "diff": diff}

    def rolled_back(self, ref: str, number: int, *, message: str, observe_s: float | None) -> Body:
        from agents.configs.canaries import CanaryOptions
        from agents.configs.services import rollback_config
        from controlplane.access.actors import local_actor
        from controlplane.api.agentconfigs import applied_body

        namespace, name = parts(ref)
        return applied_body(
            rollback_config(
                namespace=namespace,
                name=name,
                to_number=number,
                message=message,
                actor=local_actor(),
                canary=None if observe_s is None else CanaryOptions(observe_s),
            )
        )

    def deleted(self, ref: str) -> None:
        from agents.configs.services import delete_config
        from controlplane.access.actors import local_actor

        namespace, name = parts(ref)
        delete_config(namespace=namespace, name=name, actor=local_actor())

    def stopped(self, ref: str, *, message: str) -> None:
        from agents.configs.services import stop_canary
        from controlplane.access.actors import local_actor

        namespace, name = parts(ref)
        stop_canary(namespace=namespace, name=name, actor=local_actor(), reason=message)
