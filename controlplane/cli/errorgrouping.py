"""Rules of grouping on the command line: on this host through the services, or over REST."""

from collections.abc import Mapping
from typing import Any, Protocol

from controlplane.cli.issues import MATCH
from controlplane.cli.localerrors import carried_out, checked, project_called
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body


class Grouping(Protocol):
    """Where they are kept. Answers have the shapes of the API (docs/api.md)."""

    def rules(self, project: str) -> Body: ...

    def put(self, project: str, body: Mapping[str, Any]) -> Body:
        """All rules of the project."""

    def tried(self, project: str, body: Mapping[str, Any]) -> Body:
        """What they would have done to its newest events."""


def grouping_of(remote: Address | None) -> Grouping:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


class Remote:
    """Over REST."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def rules(self, project: str) -> Body:
        found: Body = self._api.get(f"error_projects/{project}/grouping").body
        return found

    def put(self, project: str, body: Mapping[str, Any]) -> Body:
        path = f"error_projects/{project}/grouping"
        found: Body = self._api.request("PUT", path, body=dict(body), headers=MATCH).body
        return found

    def tried(self, project: str, body: Mapping[str, Any]) -> Body:
        found: Body = self._api.post(f"error_projects/{project}/grouping/plan", dict(body)).body
        return found


class Local:
    """Through the services, as whoever runs the command on the control plane's host. Imports wait until Django is there."""

    def rules(self, project: str) -> Body:
        from controlplane.api.errorgrouping import render_rule
        from supervision.errors.store.grouping_rules import rules_of_project

        return {"rules": [render_rule(each) for each in rules_of_project(project_called(project))]}

    def put(self, project: str, body: Mapping[str, Any]) -> Body:
        from controlplane.access.actors import local_actor
        from controlplane.api.errorgrouping import GroupingRulesBody, rule_fields
        from supervision.errors.store.grouping_rules import set_rules

        found, wanted = project_called(project), rule_fields(checked(GroupingRulesBody, body)["rules"])
        carried_out(lambda: set_rules(project=found, rules=wanted, actor=local_actor()))
        return self.rules(project)

    def tried(self, project: str, body: Mapping[str, Any]) -> Body:
        from controlplane.api.errorgrouping import GroupingRulesBody, render_trials, rule_fields
        from supervision.errors.store.grouping_rules import checked_rules, try_rules

        found, wanted = project_called(project), rule_fields(checked(GroupingRulesBody, body)["rules"])
        rules = carried_out(lambda: checked_rules(wanted))
        return render_trials(try_rules(project=found, rules=rules))
