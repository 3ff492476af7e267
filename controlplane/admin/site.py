"""The admin's front door: our own login, and only for who administers every tree."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from controlplane.access.policy import Permission
from controlplane.access.principals import principal_of
from controlplane.access.views import logout as log_out
from controlplane.problems import error_response


class OverstoryAdmin(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no types
    """No login form and no password page of its own."""

    site_title = site_header = "Overstory"
    index_title = "Rows"
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        principal = principal_of(request)
        return principal is not None and principal.can(Permission.ADMIN)

    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """Nobody comes here without a session (PrincipalMiddleware): who does lacks the role."""
        return error_response(request, "forbidden", "The admin is for admins of every tree.")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """Done here: our own address for it takes no redirect, which is a GET."""
        if request.method != "POST":
            return HttpResponseRedirect(reverse("admin:index"))
        return log_out(request)


site = OverstoryAdmin()
