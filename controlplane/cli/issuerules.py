"""Rules on issues on the command line: on this host through the services, or over REST."""

from collections.abc import Mapping
from typing import Any, Protocol

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.issues import MATCH
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body


class IssueRules(Protocol):
    """Where they are kept. Answers have the shapes of the API (docs/api.md)."""

    def listed(self) -> list[Body]: ...

    def put(self, name: str, body: Mapping[str, Any]) -> Body:
        """Make the rule, or change what the body names of the one that is there."""

    def deleted(self, name: str) -> None: ...


def issue_rules_of(remote: Address | None) -> IssueRules:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


def called(rules: list[Body], name: str) -> Body:
    """The one of that name. CliError."""
    found = next((rule for rule in rules if rule["name"] == name), None)
    if found is None:
        raise CliError(f"there is no rule {name}", exit_code=ExitCode.NOT_FOUND)
    return found


def body_of(known: Body, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A whole body: what is known of the rule, with the changes."""
    from controlplane.api.ruleshapes import IssueRuleBody

    fields = IssueRuleBody().fields
    return {**{name: value for name, value in known.items() if name in fields}, **changes}


class Remote:
    """Over REST."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def listed(self) -> list[Body]:
        return list(self._api.pages("issue_rules"))

    def put(self, name: str, body: Mapping[str, Any]) -> Body:
        known = next((rule for rule in self.listed() if rule["name"] == name), None)
        if known is None:
            made: Body = self._api.post("issue_rules", {**body, "name": name}).body
            return made
        whole = body_of(known, {"name": name, **body})
        changed: Body = self._api.request("PUT", f"issue_rules/{known['id']}", body=whole, headers=MATCH).body
        return changed

    def deleted(self, name: str) -> None:
        self._api.request("DELETE", f"issue_rules/{called(self.listed(), name)['id']}", headers=MATCH)


class Local:
    """Through the services, as whoever runs the command on the control plane's host. Imports wait until Django is there."""

    def listed(self) -> list[Body]:
        from controlplane.api.rules import render_issue_rule
        from supervision.rules.issues.selectors import rules

        return [render_issue_rule(rule) for rule in rules(trees=None)]

    def put(self, name: str, body: Mapping[str, Any]) -> Body:
        from django.utils import timezone

        from controlplane.access.actors import local_actor
        from controlplane.api.rules import render_issue_rule
        from controlplane.api.ruleshapes import IssueRuleBody
        from controlplane.filters.issues import issue_condition
        from supervision.rules.exceptions import InvalidRuleError
        from supervision.rules.issues import selectors, services

        known = selectors.rules(trees=None).filter(name=name).first()
        whole = body_of(render_issue_rule(known) if known is not None else {}, {"name": name, **body})
        shape = IssueRuleBody(data=whole)
        if not shape.is_valid():
            field, problems = next(iter(shape.errors.items()))
            raise CliError(f"{field}: {problems[0]}", code="invalid")
        fields = services.IssueRuleFields(**shape.validated_data)
        try:
            made = services.save_rule(
                rule=known, fields=fields, accepts=issue_condition, actor=local_actor(), now=timezone.now()
            )
        except InvalidRuleError as error:
            raise CliError(f"{error.field}: {error}", code="invalid") from None
        return render_issue_rule(selectors.get_rule(made.pk, trees=None))

    def deleted(self, name: str) -> None:
        from django.utils import timezone

        from controlplane.access.actors import local_actor
        from supervision.rules.exceptions import NotFoundError
        from supervision.rules.issues import selectors, services

        try:
            rule = selectors.rule_called(name)
        except NotFoundError:
            raise CliError(f"there is no rule {name}", exit_code=ExitCode.NOT_FOUND) from None
        services.delete_rule(rule=rule, actor=local_actor(), now=timezone.now())
