"""Pages: one module each in pages/, found here; what every page's context has; who may open it.

    PAGE = Page(slug="nodes", title="Nodes", path="nodes", template="dashboard/nodes.html", select=select, g_key="d")

Adding a page touches no other file. `select` reads and answers the template's own context; `act` takes a POST.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from controlplane.access.exceptions import ForbiddenError, HiddenError, LoginRequiredError
from controlplane.access.policy import Permission, Principal, require, visible_trees
from controlplane.access.principals import principal_of
from controlplane.dashboard import pages
from controlplane.dashboard.live.service import site_link
from controlplane.dashboard.live.topics import refusal
from controlplane.dashboard.reading import Reading
from controlplane.filters.fields import LISTS, fields_json
from controlplane.problems import error_response

Context = dict[str, Any]
"""Any: what templates read is of many kinds."""


@dataclass(frozen=True)
class PageRequest:
    """What a page's functions get: the request, who asks, the moment, and the fleet as it is known."""

    http: HttpRequest
    principal: Principal
    params: Mapping[str, Any]
    now: float
    reading: Reading

    @property
    def visible(self) -> frozenset[str] | None:
        return visible_trees(self.principal)

    def text(self, name: str) -> str:
        """A parameter of the query."""
        return self.http.GET.get(name, "").strip()

    def require(self, permission: Permission, tree: str = "") -> None:
        """Raises HiddenError or ForbiddenError, which become 404 and 403."""
        require(self.principal, permission, tree)


@dataclass(frozen=True)
class Page:
    """One page. `path`: below the site's root, with Django's converters. `g_key`: after `g`, on the keyboard.

    may_open   whether it is shown in the rail, and opens at all; rights on one tree are the selector's business
    topics     what its script subscribes to: topic, and the columns (None: all)
    lists      whose filter fields its script needs
    order      in the rail; None: not there
    """

    slug: str
    title: str
    path: str
    template: str
    select: Callable[[PageRequest], Context | HttpResponse]
    act: Callable[[PageRequest], HttpResponse | Context] | None = None
    g_key: str | None = None
    order: int | None = None
    may_open: Callable[[Principal], bool] = lambda principal: principal.can_somewhere(Permission.VIEW)
    topics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    sparks: bool = False

    def pattern(self) -> URLPattern:
        methods = ["GET", "HEAD", "POST"] if self.act is not None else ["GET", "HEAD"]
        view = never_cache(require_http_methods(methods)(_view_of(self)))
        return path(self.path, view, name=self.slug)


@cache
def all_pages() -> tuple[Page, ...]:
    """Every page, in the rail's order; those outside the rail last."""
    names = [module.name for module in pkgutil.iter_modules(pages.__path__)]
    found = [importlib.import_module(f"{pages.__name__}.{name}").PAGE for name in names]
    return tuple(sorted(found, key=lambda page: (page.order is None, page.order or 0, page.slug)))


def urlpatterns() -> list[URLPattern]:
    """Routes of all pages. Longer paths first, so that `trees/new` is not taken for a tree's name."""
    return [page.pattern() for page in sorted(all_pages(), key=lambda page: ("<" in page.path, page.path))]


def _view_of(page: Page) -> Callable[..., HttpResponse]:
    def view(http: HttpRequest, **params: Any) -> HttpResponse:
        principal = principal_of(http)
        if principal is None:
            return error_response(http, "login-required", str(LoginRequiredError()))
        try:
            if not page.may_open(principal):
                raise ForbiddenError("You may not open this page.")
            request = PageRequest(http, principal, params, timezone.now().timestamp(), Reading())
            act = page.act if http.method == "POST" else None
            answer = page.select(request) if act is None else act(request)
        except HiddenError as error:
            return error_response(http, "not-found", str(error))
        except ForbiddenError as error:
            return error_response(http, "forbidden", str(error))
        except Http404 as error:
            return error_response(http, "not-found", str(error) or "There is no such page.")
        return answer if isinstance(answer, HttpResponse) else show(page, request, answer)

    return view


def show(page: Page, request: PageRequest, context: Context, *, status: int = 200) -> HttpResponse:
    """The page's template with its own context in the common one."""
    return render(request.http, page.template, {**common(page, request), **context}, status=status)


def common(page: Page, request: PageRequest) -> Context:
    """What every page has: see docs/live.md."""
    principal = request.principal
    return {
        "page": {
            "title": page.title,
            "slug": page.slug,
            "g_key": page.g_key,
            "url": request.http.path,
        },
        "pages": [
            {
                "title": one.title,
                "url": reverse(one.slug),
                "g_key": one.g_key,
                "is_current": one.slug == page.slug,
            }
            for one in all_pages()
            if one.order is not None and one.may_open(principal)
        ],
        "principal": principal,
        "me": principal.name,
        "can": {
            "operate_somewhere": principal.can_somewhere(Permission.OPERATE),
            "admin": principal.can(Permission.ADMIN),
        },
        "now": request.now,
        "ages": request.reading.ages,
        "live": {
            "url": site_link("ws/live"),
            "snapshot": reverse("live-snapshot"),
            "topics": _topics(page, request),
            "fields": {name: fields_json(LISTS[name]) for name in page.lists},
            "sparks": page.sparks,
        },
    }


def _topics(page: Page, request: PageRequest) -> dict[str, Mapping[str, Any]]:
    """Those that the viewer may have; `{key}` in a name stands for the page's own key."""
    names = {name.format(key=request.params.get("key", "")): wanted for name, wanted in page.topics.items()}
    return {name: wanted for name, wanted in names.items() if not refusal(name, request.principal)}
