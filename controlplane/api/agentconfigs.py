"""Agent configs: revisions, what they would restart, the way back."""

from typing import Any

from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from agents.configs import selectors, services
from agents.configs.canaries import MAX_OBSERVE_S, OBSERVE_S, CanaryOptions
from agents.configs.document import ConfigDocument, config_diff, read_config_text
from agents.configs.models import AgentConfig, AgentConfigRevision, ConfigCanary
from agents.configs.services import NOTHING_YET, ConfigApplied
from agents.exceptions import ChangedMeanwhileError
from controlplane.access.policy import Permission
from controlplane.api import agentshapes, schema, treeshapes
from controlplane.api.bodies import DOCUMENT_PARSERS
from controlplane.api.configplanning import plan_config
from controlplane.api.documents import sent
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, boolean, integer
from controlplane.api.shapes import read
from controlplane.api.versions import answer, expected_text, stale, tag_of
from controlplane.filters.keyset import Order

TAG = ["agents"]
MAX_MESSAGE = 2000
CANARY_PARAMETERS = [
    schema.query(
        "canary",
        "One agent tries it first; the others follow when it stayed ready, and it goes back by itself when it did not.",
        kind=bool,
    ),
    schema.query(
        "observe", f"With `canary`: seconds for which it has to stay ready; default {OBSERVE_S:g}.", kind=int
    ),
]
MESSAGE_PARAMETER = schema.query("message", "Why; kept with the revision.")
NEW = schema.IF_NONE_MATCH


def render(config: AgentConfig) -> dict[str, Any]:
    return dict(agentshapes.AgentConfigShape(config).data)


def render_detail(config: AgentConfig) -> dict[str, Any]:
    trees = list(selectors.trees_naming(config.ref).values_list("name", flat=True))
    return {
        **render(config),
        "document": config.head.document if config.head is not None else None,
        "trees": trees,
        "canary": render_canary(selectors.newest_canary(config)),
    }


def render_canary(row: ConfigCanary | None) -> dict[str, Any] | None:
    return None if row is None else dict(agentshapes.ConfigCanaryShape(row).data)


CONFIGS = Listing(
    {"name": Order(("namespace", "name")), "newest": Order(("id",), descending=True)},
    render,
)


class AgentConfigs(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"namespace", "kind"})
    is_list = True

    @schema.says(
        "List agent configs",
        operation="list_agent_configs",
        answers={200: schema.page_of(agentshapes.AgentConfigShape)},
        parameters=[
            *schema.page_parameters(list(CONFIGS.orders)),
            schema.query("namespace"),
            schema.query("kind"),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = selectors.configs().defer("head__document")
        for name, field in (("namespace", "namespace"), ("kind", "head__kind")):
            if name in request.query_params:
                rows = rows.filter(**{field: request.query_params[name]})
        return CONFIGS.page(request, rows)


class AgentConfigDetail(Endpoint):
    needs = {"GET": Permission.VIEW, "PUT": Permission.ADMIN, "DELETE": Permission.ADMIN}

    def get_parsers(self) -> list[Any]:
        return [parser() for parser in DOCUMENT_PARSERS]

    def known_parameters(self, request: Request) -> frozenset[str]:
        known = {"PUT": frozenset({"message", "canary", "observe"}), "DELETE": frozenset({"reason"})}
        return known.get(request.method or "", frozenset())

    @schema.says(
        "One agent config",
        operation="get_agent_config",
        answers={200: agentshapes.AgentConfigDetailShape},
        tags=TAG,
    )
    def get(self, request: Request, namespace: str, name: str) -> Response:
        config = selectors.config_by_name(namespace, name)
        return answer(request, render_detail(config), tag_of(config.tag))

    @schema.says(
        "Apply an agent config",
        operation="apply_agent_config",
        description=(
            "Makes the document the config's next revision, and in the same transaction the next revision of every tree "
            "that follows it. `If-Match` names the version it is based on; `If-None-Match: *` makes a new config. Metadata "
            "over its bound is 413; a value that the kind's schema does not take is 400 with its field."
        ),
        body=schema.DOCUMENT,
        answers={200: agentshapes.AgentConfigAppliedShape, 201: agentshapes.AgentConfigAppliedShape},
        parameters=[schema.IF_MATCH_OPTIONAL, NEW, MESSAGE_PARAMETER, *CANARY_PARAMETERS],
        errors=(409, 412, 413, 415, 428),
        tags=TAG,
    )
    def put(self, request: Request, namespace: str, name: str) -> Response:
        expected = new_or(request)
        message, canary = _message(request, "message"), canary_of(request)
        try:
            applied = services.put_config(
                namespace=namespace,
                name=name,
                document=read_config_text(sent(request).content),
                message=message,
                actor=self.actor,
                expected=expected,
                canary=canary,
            )
        except ChangedMeanwhileError:
            raise _stale(namespace, name) from None
        return _applied(applied, status=201 if expected == NOTHING_YET else 200)

    @schema.says(
        "Delete an agent config",
        operation="delete_agent_config",
        description="With its revisions. 409, naming them, while trees name it.",
        answers={204: None},
        parameters=[schema.IF_MATCH, schema.query("reason", "Why; kept in the audit log.")],
        errors=(409, 412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, namespace: str, name: str) -> Response:
        expected, reason = expected_text(request), _message(request, "reason")
        try:
            services.delete_config(
                namespace=namespace, name=name, actor=self.actor, reason=reason, expected=expected
            )
        except ChangedMeanwhileError:
            raise _stale(namespace, name) from None
        return Response(status=204)


def new_or(request: Request) -> str | None:
    """The tag in If-Match; NOTHING_YET with `If-None-Match: *`."""
    given = request.headers.get("If-None-Match")
    if given is None:
        return expected_text(request)
    if given.strip() != "*":
        raise Problem.invalid("If-None-Match", "Only * is meant here: there must be none yet.")
    return NOTHING_YET


def canary_of(request: Request) -> CanaryOptions | None:
    observe_s = integer(request, "observe", default=int(OBSERVE_S), least=0, most=int(MAX_OBSERVE_S))
    return CanaryOptions(float(observe_s)) if boolean(request, "canary") else None


def _message(request: Request, name: str) -> str:
    text = request.query_params.get(name, "")
    if len(text) > MAX_MESSAGE:
        raise Problem.invalid(name, f"At most {MAX_MESSAGE} characters.")
    return text


def _stale(namespace: str, name: str) -> Problem:
    config = selectors.configs().filter(namespace=namespace, name=name).first()
    return stale("", None) if config is None else stale(tag_of(config.tag), render_detail(config))


def applied_body(applied: ConfigApplied) -> dict[str, Any]:
    """What became of a config, as the API and the command line say it."""
    config = applied.config
    return {
        "namespace": config.namespace,
        "name": config.name,
        "version": config.tag,
        "revision": applied.revision.number,
        "changed": applied.changed,
        "trees": [
            {
                "tree": one.tree.name,
                "revision": one.revision.number,
                "changed": one.changed,
                "rollout": one.rollout.pk if one.rollout is not None else None,
            }
            for one in applied.trees
        ],
        "canary": render_canary(applied.canary),
    }


def _applied(applied: ConfigApplied, *, status: int) -> Response:
    config = applied.config
    where = reverse("api:agent-config", args=[config.namespace, config.name])
    headers = {"ETag": tag_of(config.tag), "Location": where}
    return Response(applied_body(applied), status=status, headers=headers)


class AgentConfigCanary(Endpoint):
    needs = {"DELETE": Permission.ADMIN}
    parameters = frozenset({"reason"})

    @schema.says(
        "Stop trying a revision",
        operation="stop_agent_config_canary",
        description="The agent that tries it goes back. 404 when none does.",
        answers={204: None},
        parameters=[schema.IF_MATCH, schema.query("reason", "Why; kept in the audit log.")],
        errors=(412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, namespace: str, name: str) -> Response:
        expected, reason = expected_text(request), _message(request, "reason")
        try:
            services.stop_canary(
                namespace=namespace, name=name, actor=self.actor, reason=reason, expected=expected
            )
        except ChangedMeanwhileError:
            raise _stale(namespace, name) from None
        return Response(status=204)


# -- revisions ----------------------------------------------------------------------------------------------------------


def render_revision(revision: AgentConfigRevision) -> dict[str, Any]:
    return dict(agentshapes.AgentConfigRevisionShape(revision).data)


REVISIONS = Listing(
    {"newest": Order(("number",), descending=True), "oldest": Order(("number",))}, render_revision
)


class AgentConfigRevisions(Endpoint):
    needs = {"GET": Permission.VIEW}
    is_list = True

    @schema.says(
        "List a config's revisions",
        operation="list_agent_config_revisions",
        answers={200: schema.page_of(agentshapes.AgentConfigRevisionShape)},
        parameters=schema.page_parameters(list(REVISIONS.orders)),
        tags=TAG,
    )
    def get(self, request: Request, namespace: str, name: str) -> Response:
        config = selectors.config_by_name(namespace, name)
        return REVISIONS.page(request, AgentConfigRevision.objects.defer("document").filter(config=config))


class AgentConfigRevisionDetail(Endpoint):
    needs = {"GET": Permission.VIEW}

    @schema.says(
        "One revision of a config",
        operation="get_agent_config_revision",
        answers={200: agentshapes.AgentConfigRevisionDetailShape},
        tags=TAG,
    )
    def get(self, request: Request, namespace: str, name: str, number: int) -> Response:
        revision = selectors.revision(selectors.config_by_name(namespace, name), number)
        body = dict(agentshapes.AgentConfigRevisionDetailShape(revision).data)
        return answer(request, body, tag_of(f"r{revision.pk}"))


class AgentConfigDiff(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"from", "to"})

    @schema.says(
        "What differs between two revisions of a config",
        operation="diff_agent_config",
        answers={200: agentshapes.AgentConfigDiffShape},
        parameters=[
            schema.query("from", "A revision; default: the one before `to`.", kind=int),
            schema.query("to", "A revision; default: the newest.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request, namespace: str, name: str) -> Response:
        config = selectors.config_by_name(namespace, name)
        newest = config.head.number if config.head is not None else 0
        to_number = integer(request, "to", default=newest, least=1, most=2**31)
        from_number = integer(request, "from", default=max(1, to_number - 1), least=1, most=2**31)
        newer, older = selectors.revision(config, to_number), selectors.revision(config, from_number)
        diff = config_diff(older.document, newer.document)
        return Response({"from_revision": older.number, "to_revision": newer.number, "diff": diff})


class AgentConfigRollback(Endpoint):
    needs = {"POST": Permission.ADMIN}
    parameters = frozenset({"canary", "observe"})

    @schema.says(
        "Go back to an earlier revision of a config",
        operation="rollback_agent_config",
        description="The earlier document becomes the newest revision; trees that follow move on with it.",
        body=treeshapes.RollbackBody,
        answers={200: agentshapes.AgentConfigAppliedShape},
        parameters=[schema.IF_MATCH, schema.KEY, *CANARY_PARAMETERS],
        errors=(409, 412, 413, 415, 422, 428),
        tags=TAG,
    )
    def post(self, request: Request, namespace: str, name: str) -> Response:
        def act() -> Response:
            expected, canary = expected_text(request), canary_of(request)
            body = read(treeshapes.RollbackBody, request)
            try:
                applied = services.rollback_config(
                    namespace=namespace,
                    name=name,
                    to_number=body["to"],
                    message=body["message"],
                    actor=self.actor,
                    expected=expected,
                    canary=canary,
                )
            except ChangedMeanwhileError:
                raise _stale(namespace, name) from None
            return _applied(applied, status=200)

        return self.once(request, act)


class AgentConfigPlan(Endpoint):
    needs = {"POST": Permission.ADMIN}
    parser_classes = DOCUMENT_PARSERS

    @schema.says(
        "What applying a config would do",
        operation="plan_agent_config",
        description="Changes nothing: the difference, and what would restart in each tree that follows.",
        body=schema.DOCUMENT,
        answers={200: agentshapes.AgentConfigPlanShape},
        errors=(413, 415),
        tags=TAG,
    )
    def post(self, request: Request, namespace: str, name: str) -> Response:
        document: ConfigDocument = read_config_text(sent(request).content)
        return Response(plan_config(namespace, name, document))
