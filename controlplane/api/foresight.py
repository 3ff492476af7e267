"""What would happen: the kernel asked about an action or about crashes before there are any."""

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, tree_of
from controlplane.api import observedshapes, schema
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.foreseeing import Question, foresee_key
from controlplane.api.output import TAG, key_of
from controlplane.api.pages import choice, optional_integer
from supervision.explain.deeds import DEEDS
from supervision.kernel.foresight import MAX_CRASHES

MAX_WITHIN_S = 86400
MAX_HOLD_S = 366 * 86400


class WhatIf(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"key", "do", "node", "times", "within", "seconds"})

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        return tree_of(key_of(request))

    @schema.says(
        "What an action or crashes would do",
        operation="what_if",
        description=(
            "The kernel's own answer, from the state that is stored of each node that has it: what stops, what restarts, "
            "in which order, who gives up. Nothing is done. Assumed: starts succeed, and what is asked to stop stops."
        ),
        answers={200: observedshapes.ForetoldShape},
        parameters=[
            schema.query("key", required=True),
            schema.query("do", "Default: crash.", enum=list(DEEDS)),
            schema.query("node", "Id of a node; default: each that has the key."),
            schema.query(
                "times", f"Of a crash: how often; {MAX_CRASHES} at most. Default: one too many.", kind=int
            ),
            schema.query(
                "within", "Of a crash: in so many seconds. Default: its supervisor's period.", kind=int
            ),
            schema.query("seconds", "Of a hold: how long. Default: until it is released.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        key = key_of(request)
        within = optional_integer(request, "within", most=MAX_WITHIN_S)
        question = Question(
            do=choice(request, "do", DEEDS) or "crash",
            key=key,
            times=optional_integer(request, "times", least=1, most=MAX_CRASHES),
            within=None if within is None else float(within),
            seconds=optional_integer(request, "seconds", least=1, most=MAX_HOLD_S),
        )
        answers = foresee_key(question, node=request.query_params.get("node"), now=timezone.now())
        if not answers:
            raise Problem("not-found", f"There is no {key}.")
        return Response({"key": key, "do": question.do, "nodes": [one.to_json() for one in answers]})
