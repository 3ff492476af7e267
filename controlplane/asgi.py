"""The ASGI application: pages and REST by Django, the live socket by Channels."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")

http = get_asgi_application()  # sets Django up, which the imports below need

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.urls import path  # noqa: E402

from controlplane.bodylimit import BodyLimit  # noqa: E402
from controlplane.dashboard.live.consumer import LiveConsumer  # noqa: E402

application = ProtocolTypeRouter(
    {"http": BodyLimit(http), "websocket": URLRouter([path("ws/live", LiveConsumer.as_asgi())])}
)
