"""What one browser likes: theme, density, single keys. Cookies, because the server writes them into the next page."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import get_script_prefix
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

CHOICES = {
    "theme": ("system", "light", "dark"),
    "density": ("compact", "comfortable"),
    "keys": ("on", "off"),
}
KEPT_S = 365 * 24 * 3600


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and goes back. A value that is none of the choices is passed over."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts=None, require_https=request.is_secure()):
        target = get_script_prefix()
    response = HttpResponseRedirect(target)
    for name, choices in CHOICES.items():
        if (value := request.POST.get(name)) in choices:
            response.set_cookie(
                f"overstory_{name}",
                value,
                max_age=KEPT_S,
                path=get_script_prefix(),
                samesite="Lax",
                secure=request.is_secure(),
            )
    return response
