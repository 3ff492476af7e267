"""Pages: one module each in pages/, found here; what every page's context has; who may open it.

    PAGE = Page(slug="nodes", title="Nodes", path="nodes", template="dashboard/nodes.html", select=select, g_key="d")

Adding a page touches no other file. `select` reads and answers the template's own context; `act` takes a POST.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, get_script_prefix, path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from controlplane.access.exceptions import ForbiddenError, HiddenError, LoginRequiredError
from controlplane.access.policy import Permission, Principal, require, visible_trees
from controlplane.access.principals import principal_of
from controlplane.dashboard import pages
from controlplane.dashboard.kept import Kept, kept_of
from controlplane.dashboard.live.service import site_link
from controlplane.dashboard.live.topics import refusal
from controlplane.dashboard.moments import PastReading, moment_of, time_control
from controlplane.dashboard.reading import Reading
from controlplane.dashboard.requests import requests_of
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
    kept: Kept | None = None
    """The saved views of the page's list."""
    at: datetime | None = None
    """The moment that is asked for, on pages that have a past; `now` and `reading` are then of that moment."""
    time_errors: Mapping[str, str] = field(default_factory=dict)

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
    has_past   `?at=` shows it as it was at a moment
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
    has_past: bool = False

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
            kept = kept_of(page.slug, http, principal)
            if kept is not None and kept.instead:
                return HttpResponseRedirect(kept.instead)
            request = _request(page, http, principal, params, kept)
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


def _request(
    page: Page, http: HttpRequest, principal: Principal, params: Mapping[str, Any], kept: Kept | None
) -> PageRequest:
    now, errors = timezone.now(), dict[str, str]()
    at = moment_of(http.GET.get("at", "").strip(), "at", now, errors) if page.has_past else None
    if at is None:
        return PageRequest(http, principal, params, now.timestamp(), Reading(), kept, time_errors=errors)
    return PageRequest(http, principal, params, at.timestamp(), PastReading(at), kept, at)


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
        "kept": request.kept,
        "requests": _requests(page, request),
        "now": request.now,
        "is_past": request.at is not None,
        "time": time_control(request.at, dict(request.time_errors)) if page.has_past else None,
        "ages": request.reading.ages,
        "live": {
            "url": site_link("ws/live"),
            "snapshot": reverse("live-snapshot"),
            "topics": _topics(page, request),
            "fields": {name: fields_json(LISTS[name]) for name in page.lists},
            "sparks": page.sparks,
        },
    }


def _requests(page: Page, request: PageRequest) -> list[dict[str, str]]:
    """What the page's buttons ask for, as lines for a terminal."""
    site = request.http.build_absolute_uri(f"{get_script_prefix()}api/v1/")
    return requests_of(page.slug, site, {**request.params, "q": request.text("q")})


def _topics(page: Page, request: PageRequest) -> dict[str, Mapping[str, Any]]:
    """Those that the viewer may have; `{key}` in a name stands for the page's own key."""
    if request.at is not None:
        return {}
    names = {name.format(key=request.params.get("key", "")): wanted for name, wanted in page.topics.items()}
    return {name: wanted for name, wanted in names.items() if not refusal(name, request.principal)}
