"""Desired state: trees, their revisions, what a document would do, and rollouts."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import Permission, require, visible_trees
from controlplane.api import schema, treeshapes
from controlplane.api.bodies import DOCUMENT_PARSERS, StrictJSONRenderer
from controlplane.api.documents import read_document, sent
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.formats import YAMLRenderer
from controlplane.api.pages import Listing, boolean, choices, integer, optional_integer
from controlplane.api.planning import plan_document
from controlplane.api.shapes import read
from controlplane.api.versions import answer, expected_version, stale, tag_of
from controlplane.filters.keyset import Order
from supervision.trees import selectors, services
from supervision.trees.exceptions import StaleVersionError
from supervision.trees.models import Placement, Rollout, RolloutState, Tree, TreeRevision
from supervision.trees.schema import tree_schema

TAG = ["trees"]
MAX_MESSAGE = 2000
ROLLOUT = ("max_unavailable", "ready_deadline_s", "auto_rollback")
KNOWN = {"PUT": frozenset({"message", *ROLLOUT}), "DELETE": frozenset({"reason"})}


def visible(endpoint: Endpoint) -> QuerySet[Tree]:
    """Trees that are there and that the principal may see."""
    rows = Tree.objects.select_related("head").filter(deleted_at=None)
    names = visible_trees(endpoint.principal)
    return rows if names is None else rows.filter(name__in=names)


def find_tree(name: str) -> Tree:
    tree = Tree.objects.select_related("head").filter(name=name, deleted_at=None).first()
    if tree is None:
        raise Problem("not-found", f"There is no tree {name}.")
    return tree


def find_revision(tree: Tree, number: int) -> TreeRevision:
    revision = TreeRevision.objects.select_related("tree").filter(tree=tree, number=number).first()
    if revision is None:
        raise Problem("not-found", f"{tree.name} has no revision {number}.")
    return revision


def render_tree(tree: Tree) -> dict[str, Any]:
    return dict(treeshapes.TreeShape(tree).data)


def render_detail(tree: Tree) -> dict[str, Any]:
    placements = (
        Placement.objects.select_related("node", "revision").filter(tree=tree).order_by("replica", "id")
    )
    return {
        **render_tree(tree),
        "document": tree.head.document if tree.head is not None else None,
        "placements": [dict(treeshapes.PlacementShape(placement).data) for placement in placements],
    }


TREES = Listing(
    {"name": Order(("name",)), "newest": Order(("id",), descending=True)},
    render_tree,
)


class Trees(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"name"})
    is_list = True

    @schema.says(
        "List trees",
        operation="list_trees",
        answers={200: schema.page_of(treeshapes.TreeShape)},
        parameters=[*schema.page_parameters(list(TREES.orders)), schema.query("name", "Begins so.")],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = visible(self)
        begins = request.query_params.get("name")
        if begins is not None:
            rows = rows.filter(name__startswith=begins)
        return TREES.page(request, rows)


class TreeDetail(Endpoint):
    needs = {"GET": Permission.VIEW, "PUT": Permission.ADMIN, "DELETE": Permission.ADMIN}

    def get_parsers(self) -> list[Any]:
        return [parser() for parser in DOCUMENT_PARSERS]

    def known_parameters(self, request: Request) -> frozenset[str]:
        return KNOWN.get(request.method or "", frozenset())

    @schema.says(
        "One tree, with its document",
        operation="get_tree",
        answers={200: treeshapes.TreeDetailShape},
        tags=TAG,
    )
    def get(self, request: Request, tree: str) -> Response:
        found = find_tree(tree)
        return answer(request, render_detail(found), tag_of(found.version))

    @schema.says(
        "Apply a tree document",
        operation="apply_tree",
        description=(
            "Makes the document the tree's next revision. `If-Match` names the version it is based on; "
            "`If-None-Match: *` makes "
            "a new tree. The body is the document itself, JSON or YAML. A document that says what is so already "
            "changes nothing."
        ),
        body=schema.DOCUMENT,
        answers={200: treeshapes.AppliedShape, 201: treeshapes.AppliedShape},
        parameters=[
            schema.IF_MATCH_OPTIONAL,
            schema.IF_NONE_MATCH,
            schema.query("message", "Why; kept with the revision."),
            schema.query(
                "max_unavailable",
                "Places that change at the same time; default: as the document says.",
                kind=int,
            ),
            schema.query("ready_deadline_s", "Seconds that each place has to be ready.", kind=int),
            schema.query("auto_rollback", "Go back by itself when a place does not become ready.", kind=bool),
        ],
        errors=(409, 412, 413, 415, 428),
        tags=TAG,
    )
    def put(self, request: Request, tree: str) -> Response:
        expected = _expected(request)
        message = _message(request, "message")
        document = read_document(sent(request), tree=tree)
        try:
            applied = services.apply_tree(
                document=document,
                message=message,
                actor=self.actor,
                expected_version=expected,
                rollout=_rollout(request),
            )
        except StaleVersionError:
            raise _stale(tree) from None
        made = expected == 0
        return _applied(applied, status=201 if made else 200)

    @schema.says(
        "Delete a tree",
        operation="delete_tree",
        description="Every node stops it in its order and forgets it; revisions, journal and audit log stay.",
        answers={202: None},
        parameters=[schema.IF_MATCH, schema.query("reason", "Why; kept in the audit log.")],
        errors=(409, 412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, tree: str) -> Response:
        expected = expected_version(request)
        try:
            services.delete_tree(
                name=tree, actor=self.actor, reason=_message(request, "reason"), expected_version=expected
            )
        except StaleVersionError:
            raise _stale(tree) from None
        return Response(status=202)


def _expected(request: Request) -> int | None:
    """0: there must be none yet."""
    given = request.headers.get("If-None-Match")
    if given is None:
        return expected_version(request)
    if given.strip() != "*":
        raise Problem.invalid("If-None-Match", "Only * is meant here: there must be no such tree yet.")
    return 0


def _rollout(request: Request) -> services.RolloutOptions:
    """What the request says about the way; the document says the rest."""
    most = optional_integer(request, "max_unavailable", least=1, most=10_000)
    deadline = optional_integer(request, "ready_deadline_s", least=1, most=7 * 24 * 3600)
    return services.RolloutOptions(
        most, None if deadline is None else float(deadline), boolean(request, "auto_rollback")
    )


def _message(request: Request, name: str) -> str:
    text = request.query_params.get(name, "")
    if len(text) > MAX_MESSAGE:
        raise Problem.invalid(name, f"At most {MAX_MESSAGE} characters.")
    return text


def _stale(name: str) -> Problem:
    tree = Tree.objects.select_related("head").filter(name=name, deleted_at=None).first()
    if tree is None:
        return stale("", None)
    return stale(tag_of(tree.version), render_detail(tree))


def _applied(applied: services.Applied, *, status: int) -> Response:
    tree = applied.tree
    body = {
        "tree": tree.name,
        "version": tree.version,
        "revision": applied.revision.number,
        "digest": applied.revision.digest,
        "changed": applied.changed,
        "rollout": applied.rollout.pk if applied.rollout is not None else None,
    }
    headers = {"ETag": tag_of(tree.version), "Location": reverse("api:tree", args=[tree.name])}
    return Response(body, status=status, headers=headers)


class TreeExport(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"revision", "format"})
    renderer_classes = [YAMLRenderer, StrictJSONRenderer]

    @schema.says(
        "A tree as a file",
        operation="export_tree",
        description="YAML that parses to the same tree, without what equals its default.",
        answers={(200, "application/yaml"): schema.OBJECT},
        parameters=[schema.query("revision", "Default: the head.", kind=int)],
        tags=TAG,
    )
    def get(self, request: Request, tree: str) -> HttpResponse:
        found = find_tree(tree)
        number = optional_integer(request, "revision", least=1)
        revision = found.head if number is None else find_revision(found, number)
        if revision is None:
            raise Problem("not-found", f"{tree} has no revision.")
        text = selectors.yaml_of(revision.document)
        headers = {
            "ETag": tag_of(f"r{revision.number}"),
            "Content-Disposition": f'attachment; filename="{tree}.yaml"',
        }
        return HttpResponse(text, content_type="application/yaml; charset=utf-8", headers=headers)


# -- revisions ----------------------------------------------------------------------------------------------------------


def render_revision(revision: TreeRevision) -> dict[str, Any]:
    return dict(treeshapes.RevisionShape(revision).data)


REVISIONS = Listing(
    {"newest": Order(("number",), descending=True), "oldest": Order(("number",))}, render_revision
)


class Revisions(Endpoint):
    needs = {"GET": Permission.VIEW}
    is_list = True

    @schema.says(
        "List a tree's revisions",
        operation="list_revisions",
        answers={200: schema.page_of(treeshapes.RevisionShape)},
        parameters=schema.page_parameters(list(REVISIONS.orders)),
        tags=TAG,
    )
    def get(self, request: Request, tree: str) -> Response:
        rows = (
            TreeRevision.objects.select_related("tree")
            .defer("document", "resolved")
            .filter(tree=find_tree(tree))
        )
        return REVISIONS.page(request, rows)


class RevisionDetail(Endpoint):
    needs = {"GET": Permission.VIEW}

    @schema.says(
        "One revision, with its document",
        operation="get_revision",
        answers={200: treeshapes.RevisionDetailShape},
        tags=TAG,
    )
    def get(self, request: Request, tree: str, number: int) -> Response:
        revision = find_revision(find_tree(tree), number)
        body = dict(treeshapes.RevisionDetailShape(revision).data)
        return answer(request, body, tag_of(f"r{number}"))


class Diff(Endpoint):
    needs = {"GET": Permission.VIEW}
    parameters = frozenset({"from", "to"})

    @schema.says(
        "What differs between two revisions",
        operation="diff_revisions",
        answers={200: treeshapes.DiffShape},
        parameters=[
            schema.query("from", "A revision; default: the one before `to`.", kind=int),
            schema.query("to", "A revision; default: the head.", kind=int),
        ],
        tags=TAG,
    )
    def get(self, request: Request, tree: str) -> Response:
        found = find_tree(tree)
        head = found.head.number if found.head is not None else 0
        newer = find_revision(found, integer(request, "to", default=head, least=1, most=2**31))
        older = find_revision(
            found, integer(request, "from", default=max(1, newer.number - 1), least=1, most=2**31)
        )
        steps = selectors.plan_between(older.runs, newer.runs)
        return Response(
            {
                "tree": tree,
                "from_revision": older.number,
                "to_revision": newer.number,
                "diff": selectors.diff(older.document, newer.document),
                "steps": [{"do": step.do, "key": step.key, "why": step.why} for step in steps],
            }
        )


class Rollback(Endpoint):
    needs = {"POST": Permission.ADMIN}

    @schema.says(
        "Go back to an earlier revision",
        operation="rollback_tree",
        description="The earlier document becomes the newest revision; history stays.",
        body=treeshapes.RollbackBody,
        answers={200: treeshapes.AppliedShape},
        parameters=[schema.IF_MATCH, schema.KEY],
        errors=(409, 412, 413, 415, 422, 428),
        tags=TAG,
    )
    def post(self, request: Request, tree: str) -> Response:
        def act() -> Response:
            expected = expected_version(request)
            body = read(treeshapes.RollbackBody, request)
            try:
                applied = services.rollback_tree(
                    name=tree,
                    to_number=body["to"],
                    message=body["message"],
                    actor=self.actor,
                    expected_version=expected,
                )
            except StaleVersionError:
                raise _stale(tree) from None
            return _applied(applied, status=200)

        return self.once(request, act)


# -- planning -----------------------------------------------------------------------------------------------------------


class Plan(Endpoint):
    """Seeing a plan is seeing the tree; a document for a tree one may not see is refused like an unknown one."""

    needs = {"POST": None}
    parser_classes = DOCUMENT_PARSERS

    @schema.says(
        "What applying a document would do",
        operation="plan_tree",
        description="Changes nothing. Nodes are asked for their preflight; where one cannot be, `preflight` says why.",
        body=schema.DOCUMENT,
        answers={200: treeshapes.PlanShape},
        errors=(413, 415),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        document = read_document(sent(request))
        require(self.principal, Permission.VIEW, document.name)
        return Response(plan_document(document))


class Validate(Endpoint):
    needs = {"POST": None}
    parser_classes = DOCUMENT_PARSERS

    @schema.says(
        "Whether a document is a valid tree",
        operation="validate_tree",
        description="Strict, with no node, touching nothing.",
        body=schema.DOCUMENT,
        answers={200: treeshapes.ValidShape},
        errors=(413, 415),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        document = read_document(sent(request))
        children = sum(1 for _each in document.declared())
        return Response(
            {"valid": True, "tree": document.name, "digest": document.digest, "children": children}
        )


class TreeSchema(Endpoint):
    needs = {"GET": None}

    @schema.says(
        "JSON Schema of tree documents", operation="tree_schema", answers={200: schema.OBJECT}, tags=TAG
    )
    def get(self, request: Request) -> Response:
        return Response(tree_schema())


# -- rollouts -----------------------------------------------------------------------------------------------------------


def render_rollout(rollout: Rollout) -> dict[str, Any]:
    return dict(treeshapes.RolloutShape(rollout).data)


ROLLOUTS = Listing({"newest": Order(("id",), descending=True), "oldest": Order(("id",))}, render_rollout)


def visible_rollouts(endpoint: Endpoint) -> QuerySet[Rollout]:
    rows = Rollout.objects.select_related("tree", "from_revision", "to_revision").defer(
        "from_revision__document", "from_revision__resolved", "to_revision__document", "to_revision__resolved"
    )
    names = visible_trees(endpoint.principal)
    return rows if names is None else rows.filter(tree__name__in=names)


class Rollouts(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"tree", "state"})
    is_list = True

    @schema.says(
        "List rollouts",
        operation="list_rollouts",
        answers={200: schema.page_of(treeshapes.RolloutShape)},
        parameters=[
            *schema.page_parameters(list(ROLLOUTS.orders)),
            schema.query("tree"),
            schema.query("state", "Several with commas.", enum=RolloutState.values),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = visible_rollouts(self)
        tree = request.query_params.get("tree")
        if tree is not None:
            rows = rows.filter(tree__name=tree)
        states = choices(request, "state", RolloutState.values)
        if states:
            rows = rows.filter(state__in=states)
        return ROLLOUTS.page(request, rows)


class RolloutDetail(Endpoint):
    needs = {"GET": None}

    @schema.says("One rollout", operation="get_rollout", answers={200: treeshapes.RolloutShape}, tags=TAG)
    def get(self, request: Request, id: int) -> Response:  # noqa: A002  the URL's word
        rollout = visible_rollouts(self).filter(pk=id).first()
        if rollout is None:
            raise Problem("not-found", f"There is no rollout {id}.")
        return Response(render_rollout(rollout))
