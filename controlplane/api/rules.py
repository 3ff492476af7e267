"""Rules over what is measured, rules on issues, and objectives with their budgets."""

from collections.abc import Callable
from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import visible_trees
from controlplane.api import ruleshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.kept import Kind, endpoints
from controlplane.api.pages import Listing
from controlplane.filters.issues import issue_condition
from controlplane.filters.keyset import Order
from supervision.rules import exceptions, selectors, services
from supervision.rules.issues import selectors as issue_selectors
from supervision.rules.issues import services as issue_services
from supervision.rules.issues.models import IssueRule
from supervision.rules.models import MeasureRule, Objective

TAG = ["rules"]
FIELD = {"is_enabled": "enabled"}
"""Columns that the API names otherwise."""


def render_rule(rule: MeasureRule) -> dict[str, Any]:
    return dict(ruleshapes.RuleShape(rule).data)


def render_issue_rule(rule: IssueRule) -> dict[str, Any]:
    return dict(ruleshapes.IssueRuleShape(rule).data)


def render_objective(objective: Objective) -> dict[str, Any]:
    state = selectors.state_of(objective)
    standing = {
        "attained": state.standing.attained,
        "budget_left": state.standing.left,
        "burn": [{"window_s": window, "rate": rate} for window, rate in state.rates.items()],
    }
    for name, value in standing.items():
        setattr(objective, name, value)
    return dict(ruleshapes.ObjectiveShape(objective).data)


def render_crossing(crossing: Any) -> dict[str, Any]:
    return dict(ruleshapes.CrossingShape(crossing).data)


CROSSINGS = Listing({"oldest": Order(("since", "id"))}, render_crossing)


def carried_out(act: Callable[[], Any]) -> Any:
    """What the room refuses, as the API says it. Any: what `act` returns."""
    try:
        return act()
    except exceptions.NotFoundError as error:
        raise Problem("not-found", str(error)) from None
    except exceptions.InvalidRuleError as error:
        if error.field == "name" and "already" in str(error):
            raise Problem("conflict", str(error)) from None
        raise Problem.invalid(f"/{FIELD.get(error.field, error.field)}", str(error)) from None


def tree_of_project(fields: issue_services.IssueRuleFields) -> str:
    """The tree of the project that a rule would be about; "" for all. Raises InvalidRuleError."""
    project = issue_services.project_called(fields.project)
    return project.tree if project is not None else ""


Rules, RuleDetail = endpoints(
    Kind(
        noun="rule", nouns="rules", words="a rule", many="rules", tag=TAG,
        body=ruleshapes.RuleBody, shape=ruleshapes.RuleShape,
        listing=Listing({"name": Order(("name", "id"))}, render_rule),
        rows=lambda trees: selectors.rules(trees=trees),
        find=lambda pk, trees: selectors.get_rule(pk, trees=trees),
        fields=lambda body: services.RuleFields(**body),
        tree_of=lambda fields: str(fields.tree),
        save=lambda row, fields, **by: services.save_rule(rule=row, fields=fields, **by),
        delete=lambda row, **by: services.delete_rule(rule=row, **by),
        carried_out=carried_out,
        listed="Those of trees that may be seen; a rule over every tree needs to see every tree.",
        changed="What it said is over, and it is looked at anew.",
        removed="What it said is over.",
    )
)  # fmt: skip
IssueRules, IssueRuleDetail = endpoints(
    Kind(
        noun="issue_rule", nouns="issue_rules", words="a rule on issues", many="rules on issues", tag=TAG,
        body=ruleshapes.IssueRuleBody, shape=ruleshapes.IssueRuleShape,
        listing=Listing({"name": Order(("name", "id"))}, render_issue_rule),
        rows=lambda trees: issue_selectors.rules(trees=trees),
        find=lambda pk, trees: issue_selectors.get_rule(pk, trees=trees),
        fields=lambda body: issue_services.IssueRuleFields(**body),
        tree_of=tree_of_project,
        save=lambda row, fields, **by: issue_services.save_rule(
            rule=row, fields=fields, accepts=issue_condition, **by
        ),
        delete=lambda row, **by: issue_services.delete_rule(rule=row, **by),
        carried_out=carried_out,
        listed="Those of projects whose trees may be seen; a rule over every project needs to see every tree.",
        changed="What it found is over, and it is looked at anew.",
        removed="What it found is over.",
    )
)  # fmt: skip
Objectives, ObjectiveDetail = endpoints(
    Kind(
        noun="objective", nouns="objectives", words="an objective", many="objectives, with what is left of their budgets",
        tag=TAG, body=ruleshapes.ObjectiveBody, shape=ruleshapes.ObjectiveShape,
        listing=Listing({"name": Order(("name", "id"))}, render_objective),
        rows=lambda trees: selectors.objectives(trees=trees, now=timezone.now()),
        find=lambda pk, trees: selectors.get_objective(pk, trees=trees, now=timezone.now()),
        fields=lambda body: services.ObjectiveFields(**body),
        tree_of=lambda fields: str(fields.tree),
        save=lambda row, fields, **by: services.save_objective(objective=row, fields=fields, **by),
        delete=lambda row, **by: services.delete_objective(objective=row, **by),
        carried_out=carried_out,
        changed="One that counts something else than before begins anew.",
        removed="With what was counted for it.",
    )
)  # fmt: skip


class RuleCrossings(Endpoint):
    needs = {"GET": None}
    is_list = True

    @schema.says(
        "What is beyond a rule's bound now",
        operation="list_rule_crossings",
        answers={200: schema.page_of(ruleshapes.CrossingShape)},
        parameters=schema.page_parameters(list(CROSSINGS.orders)),
        tags=TAG,
    )
    def get(self, request: Request, id: int) -> Response:  # noqa: A002 the URL's name
        rule = carried_out(lambda: selectors.get_rule(id, trees=visible_trees(self.principal)))
        return CROSSINGS.page(request, rule.crossings.all())
