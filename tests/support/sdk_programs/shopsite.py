"""A Django project of one file whose only view fails, asked once, by WSGI as a server asks."""

import io
from typing import Any

import django
import sentry_sdk
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

sentry_sdk.init(send_default_pii=True, release="shop@1.2")
ASKED = {
    "REQUEST_METHOD": "GET", "PATH_INFO": "/checkout/7", "QUERY_STRING": "token=abcdef0123456789",
    "HTTP_AUTHORIZATION": "Bearer abcdef", "SERVER_NAME": "shop", "SERVER_PORT": "80", "wsgi.url_scheme": "http",
}  # fmt: skip


def checkout(request: HttpRequest, order: int) -> HttpResponse:
    secret = {"password": "hunter2", "order": order}
    raise RuntimeError(f"order {secret['order']} cannot be paid")


urlpatterns = [path("checkout/<int:order>", checkout)]
settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False)
django.setup()
application: Any = get_wsgi_application()
answer = application({**ASKED, "wsgi.input": io.BytesIO()}, lambda _status, _headers, *_: None)
for _part in answer:
    pass
answer.close()
