"""The login page, the one-time link, logging out."""

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from controlplane.access import login as sessions
from controlplane.access.exceptions import LinkSpentError, TooManyAttemptsError, WrongCredentialsError
from controlplane.access.principals import principal_of


class LoginForm(forms.Form):
    """Name and password. No length hint: it would say which names exist."""

    username = forms.CharField(max_length=150, strip=True)
    password = forms.CharField(max_length=4096, strip=False, widget=forms.PasswordInput)


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """The form; with the right name and password a session, and on to `next`."""
    target = _next(request)
    if principal_of(request) is not None and request.method != "POST":
        return HttpResponseRedirect(target)
    form = LoginForm(request.POST or None)
    error, status, headers = "", 200, {}
    if request.method == "POST":
        error, status = "Name and password, please.", 400
        if form.is_valid():
            try:
                sessions.log_in(
                    request, name=form.cleaned_data["username"], password=form.cleaned_data["password"]
                )
                return HttpResponseRedirect(target)
            except WrongCredentialsError as refusal:
                error, status = str(refusal), 403
            except TooManyAttemptsError as refusal:
                seconds = int(refusal.retry_after.total_seconds()) + 1
                error, status = f"{refusal} Try again in {seconds} seconds.", 429
                headers = {"Retry-After": str(seconds)}
    context = {"form": form, "error": error, "next": target, "username": form["username"].value() or ""}
    return _page(request, "access/login.html", context, status, headers)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def login_link(request: HttpRequest, text: str) -> HttpResponse:
    """A page with one button, which spends the link. Opening it alone spends nothing: mail scanners and previews open
    links."""
    status, headers, error = 200, {}, ""
    is_open = sessions.link_is_open(text=text, now=timezone.now())
    if request.method == "POST":
        try:
            sessions.log_in_by_link(request, text=text, now=timezone.now())
            return HttpResponseRedirect(_home())
        except LinkSpentError as refusal:
            status, error, is_open = 403, str(refusal), False
        except TooManyAttemptsError as refusal:
            seconds = int(refusal.retry_after.total_seconds()) + 1
            status, error, headers = 429, str(refusal), {"Retry-After": str(seconds)}
    elif not is_open:
        status, error = 404, str(LinkSpentError())
    context = {"open": is_open, "error": error}
    return _page(request, "access/login_link.html", context, status, headers)


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """Ends the session; the login page follows."""
    sessions.log_out(request)
    return HttpResponseRedirect(reverse("login"))


def _page(
    request: HttpRequest, template: str, context: dict[str, object], status: int, headers: dict[str, str]
) -> HttpResponse:
    response = render(request, template, context, status=status)
    response["Referrer-Policy"] = (
        "strict-origin"  # the address holds a secret; "no-referrer" would post with Origin: null
    )
    for name, value in headers.items():
        response[name] = value
    return response


def _next(request: HttpRequest) -> str:
    """Where to go afterwards: a path of ours, never another host."""
    target = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts=None, require_https=request.is_secure())
    return target if safe else _home()


def _home() -> str:
    return get_script_prefix()
