"""Teams and owners of errors on the command line: on this host through the services, or over REST."""

from collections.abc import Mapping
from typing import Any, Protocol

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.issues import MATCH
from controlplane.cli.localerrors import carried_out, checked, project_called
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body


class Owners(Protocol):
    """Where they are kept. Answers have the shapes of the API (docs/api.md)."""

    def teams(self) -> list[Body]: ...

    def team(self, slug: str, body: Mapping[str, Any]) -> Body:
        """Make the team, or change what the body names of the one that is there."""

    def dropped(self, slug: str) -> None: ...

    def rules(self, project: str) -> Body: ...

    def put(self, project: str, body: Mapping[str, Any]) -> Body:
        """All rules of the project."""


def owners_of(remote: Address | None) -> Owners:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


def whole(known: Body | None, slug: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A whole team: what is known of it, with the changes."""
    return {**(known or {}), **body, "slug": slug}


class Remote:
    """Over REST."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def teams(self) -> list[Body]:
        return list(self._api.pages("error_teams"))

    def team(self, slug: str, body: Mapping[str, Any]) -> Body:
        known = next((each for each in self.teams() if each["slug"] == slug), None)
        wanted = whole(known, slug, body)
        if known is None:
            made: Body = self._api.post("error_teams", wanted).body
            return made
        found: Body = self._api.request("PUT", f"error_teams/{slug}", body=wanted, headers=MATCH).body
        return found

    def dropped(self, slug: str) -> None:
        self._api.request("DELETE", f"error_teams/{slug}", headers=MATCH)

    def rules(self, project: str) -> Body:
        found: Body = self._api.get(f"error_projects/{project}/owners").body
        return found

    def put(self, project: str, body: Mapping[str, Any]) -> Body:
        found: Body = self._api.request(
            "PUT", f"error_projects/{project}/owners", body=dict(body), headers=MATCH
        ).body
        return found


class Local:
    """Through the services, as whoever runs the command on the control plane's host. Imports wait until Django is there."""

    def teams(self) -> list[Body]:
        from controlplane.api.errorowners import render_team
        from supervision.errors.store.owning import teams

        return [render_team(team) for team in teams()]

    def team(self, slug: str, body: Mapping[str, Any]) -> Body:
        from controlplane.access.actors import local_actor
        from controlplane.api.errorowners import ErrorTeamBody, render_team
        from supervision.errors.store import owning

        known = owning.team_called(slug)
        fields = checked(ErrorTeamBody, whole(render_team(known) if known else None, slug, body))
        made = carried_out(lambda: owning.save_team(team=known, **fields, actor=local_actor()))
        return render_team(made)

    def dropped(self, slug: str) -> None:
        from controlplane.access.actors import local_actor
        from supervision.errors.store import owning

        team = owning.team_called(slug)
        if team is None:
            raise CliError(f"there is no team {slug}", exit_code=ExitCode.NOT_FOUND)
        owning.delete_team(team=team, actor=local_actor())

    def rules(self, project: str) -> Body:
        from controlplane.api.errorowners import render_owner
        from supervision.errors.store.owning import owners_of

        return {"owners": [render_owner(each) for each in owners_of(project_called(project))]}

    def put(self, project: str, body: Mapping[str, Any]) -> Body:
        from controlplane.access.actors import local_actor
        from controlplane.api.errorowners import ErrorOwnersBody, owner_fields
        from supervision.errors.store.owning import set_owners

        wanted = [owner_fields(each) for each in checked(ErrorOwnersBody, body)["owners"]]
        found = project_called(project)
        carried_out(lambda: set_owners(project=found, owners=wanted, actor=local_actor()))
        return self.rules(project)
