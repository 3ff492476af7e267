"""Rules of a project by which its reports are grouped, and what they would do to what came."""

from collections.abc import Mapping, Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission
from controlplane.api import schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.errors import TAG, carried_out, find_project
from controlplane.api.shapes import Body, read
from controlplane.api.versions import answer, require_match, tag_of_body
from supervision.errors.grouping.conditions import FIELDS, MOST_PATTERN
from supervision.errors.grouping.rules import MOST_PART, MOST_PARTS, MOST_TITLE, VARIABLES
from supervision.errors.store import grouping_rules
from supervision.errors.store.models import ErrorProject, ErrorRule


class GroupingRuleBody(Body):
    """What an event is grouped by, and its issue called, that meets all of `match`; one of the two at least."""

    match = serializers.ListField(
        child=serializers.ListField(
            child=serializers.CharField(max_length=MOST_PATTERN), min_length=2, max_length=2
        ),
        min_length=1,
        max_length=grouping_rules.MOST_CONDITIONS,
        help_text=f"Pairs of a field ({', '.join(FIELDS)}, tag.NAME) and a pattern with * and ?.",
    )
    fingerprint = serializers.ListField(
        child=serializers.CharField(max_length=MOST_PART),
        default=list,
        max_length=MOST_PARTS,
        help_text=f"Variables in double braces: {', '.join(VARIABLES)}, tags.NAME, default (as without the rule).",
    )
    title = serializers.CharField(
        max_length=MOST_TITLE, default="", allow_blank=True, help_text="The same variables, without default."
    )


class GroupingRulesBody(Body):
    """All rules of a project, in their order: the first that matches counts."""

    rules = serializers.ListField(child=GroupingRuleBody(), max_length=grouping_rules.MOST_RULES)


class GroupingRulesShape(serializers.Serializer[Any]):
    """The same."""

    rules = GroupingRuleBody(many=True)


class GroupingTrialShape(serializers.Serializer[Any]):
    """What one rule would have done; `fingerprint` and `title` are what it gives the newest of its events."""

    events = serializers.IntegerField()
    issues = serializers.ListField(child=serializers.CharField(), help_text="Short ids, ten at most.")
    fingerprint = serializers.ListField(child=serializers.CharField())
    title = serializers.CharField()


class GroupingTrialsShape(serializers.Serializer[Any]):
    """Of each rule in its order; of how many of the newest events, and how many of them no rule meant."""

    rules = GroupingTrialShape(many=True)
    tried = serializers.IntegerField()
    unmatched = serializers.IntegerField()


def render_rule(rule: ErrorRule) -> dict[str, Any]:
    return {"match": rule.match, "fingerprint": rule.fingerprint, "title": rule.title}


def render_trials(trials: grouping_rules.Trials) -> dict[str, Any]:
    return dict(GroupingTrialsShape(trials).data)


def rule_fields(bodies: Sequence[Mapping[str, Any]]) -> list[grouping_rules.RuleFields]:
    """Of checked rules. Any: JSON."""
    return [
        grouping_rules.RuleFields(
            tuple((str(field), str(pattern)) for field, pattern in body["match"]),
            tuple(body.get("fingerprint", ())),
            body.get("title", ""),
        )
        for body in bodies
    ]


class ErrorGrouping(Endpoint):
    needs = {"GET": None, "PUT": None}

    @schema.says(
        "By which rules a project's reports are grouped",
        operation="get_error_grouping",
        answers={200: GroupingRulesShape},
        tags=TAG,
    )
    def get(self, request: Request, slug: str) -> Response:
        body = _rules(find_project(self, slug, Permission.VIEW))
        return answer(request, body, tag_of_body(body))

    @schema.says(
        "Say by which rules a project's reports are grouped",
        operation="change_error_grouping",
        description="All rules, in their order. They count for reports to come; what is stored stays as it is.",
        body=GroupingRulesBody,
        answers={200: GroupingRulesShape},
        parameters=[schema.IF_MATCH],
        errors=(412, 413, 415, 422, 428),
        tags=TAG,
    )
    def put(self, request: Request, slug: str) -> Response:
        project = find_project(self, slug, Permission.ADMIN)
        was = _rules(project)
        require_match(request, tag_of_body(was), lambda: was)
        wanted = rule_fields(read(GroupingRulesBody, request)["rules"])
        carried_out(lambda: grouping_rules.set_rules(project=project, rules=wanted, actor=self.actor))
        body = _rules(project)
        return Response(body, headers={"ETag": tag_of_body(body)})


class ErrorGroupingPlan(Endpoint):
    needs = {"POST": None}

    @schema.says(
        "Try rules of grouping on a project's newest events",
        operation="plan_error_grouping",
        description=f"At most {grouping_rules.MOST_TRIED} events. Nothing is changed.",
        body=GroupingRulesBody,
        answers={200: GroupingTrialsShape},
        errors=(413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request, slug: str) -> Response:
        project = find_project(self, slug, Permission.ADMIN)
        wanted = rule_fields(read(GroupingRulesBody, request)["rules"])
        checked = carried_out(lambda: grouping_rules.checked_rules(wanted))
        return Response(render_trials(grouping_rules.try_rules(project=project, rules=checked)))


def _rules(project: ErrorProject) -> dict[str, Any]:
    return {"rules": [render_rule(each) for each in grouping_rules.rules_of_project(project)]}
