"""What every endpoint shares: who asks, what that needs, how often, and how an answer and an error look."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.http import HttpRequest
from django.middleware.csrf import CsrfViewMiddleware
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from controlplane.access.actors import actor_of
from controlplane.access.exceptions import LoginRequiredError
from controlplane.access.policy import Permission, Principal, require
from controlplane.api import idempotency, limits
from controlplane.api.bodies import StrictJSONParser, StrictJSONRenderer
from controlplane.api.exceptions import Problem
from controlplane.api.pages import PAGE_PARAMETERS, only
from supervision.auditlog.actor import Actor

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, answering with the reason."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


class PrincipalAuthentication(BaseAuthentication):
    """The principal that PrincipalMiddleware found. A browser's session needs the CSRF token for what changes something."""

    def authenticate(self, request: Request) -> tuple[Principal, Principal] | None:
        http = request._request
        principal: Principal | None = getattr(http, "principal", None)
        if principal is None:
            return None
        if getattr(http, "by_session", False):
            check = _CsrfCheck(lambda _request: None)  # type: ignore[arg-type]  # never called
            check.process_request(http)
            reason = check.process_view(http, None, (), {})  # type: ignore[arg-type]  # it looks for csrf_exempt only
            if reason:
                raise PermissionDenied(str(reason))
        return principal, principal

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="overstory"'


class Endpoint(APIView):
    """One URL. Subclasses have a method for each HTTP method, and say what each needs.

    needs      permission by HTTP method; a method without one is a fault, which a test finds
    parameters what its query may hold beside the page's; `{}` for none
    """

    authentication_classes = [PrincipalAuthentication]
    permission_classes: Any = []
    parser_classes: Any = [StrictJSONParser]
    renderer_classes = [StrictJSONRenderer]
    needs: ClassVar[Mapping[str, Permission | None]] = {}
    parameters: ClassVar[frozenset[str]] = frozenset()
    is_list: ClassVar[bool] = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before the method: authenticate, count, check the permission that holds whatever the tree, know the parameters."""
        super().initial(request, *args, **kwargs)
        principal = self.principal
        self._taken = limits.take(principal, request)
        if self._taken is not None and not self._taken.allowed:
            raise Problem("too-many-requests", "Slow down.", headers=self._taken.headers)
        if request.method == "OPTIONS":
            return
        if any("\0" in value for value in kwargs.values() if isinstance(value, str)):
            raise Problem("not-found", "No name has the character U+0000.")
        needed = self.needs.get("GET" if request.method == "HEAD" else request.method or "")
        if needed is not None:
            require(principal, needed, self.tree_asked_for(request, **kwargs))
        only(
            request,
            self.known_parameters(request)
            | (PAGE_PARAMETERS if self.is_list and request.method != "POST" else frozenset()),
        )

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Say how many requests are left."""
        taken: limits.Taken | None = getattr(self, "_taken", None)
        if taken is not None:
            for name, value in taken.headers.items():
                response.headers.setdefault(name, value)
        return super().finalize_response(request, response, *args, **kwargs)

    def tree_asked_for(self, request: Request, **kwargs: Any) -> str:
        """The tree whose grant decides; "" for what belongs to no tree. By default the URL's `tree`."""
        return str(kwargs.get("tree", ""))

    def known_parameters(self, request: Request) -> frozenset[str]:
        """Names of the query parameters that this method takes, beside a page's."""
        return self.parameters

    @property
    def principal(self) -> Principal:
        """Who asks. Raises LoginRequiredError for nobody."""
        user: object = self.request.user
        if not isinstance(user, Principal):
            raise LoginRequiredError
        return user

    @property
    def actor(self) -> Actor:
        return actor_of(self.request._request)

    def once(self, request: Request, act: Callable[[], Response], *, required: bool = False) -> Response:
        """`act`, once for the request's Idempotency-Key. Its answer is stored: secrets are added to what this returns."""
        match = request.resolver_match
        route = match.route if match is not None else request.path
        return idempotency.carry_out(request, f"{request.method} {route}"[:200], act, required=required)
