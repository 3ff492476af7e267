"""What Overstory serves: probes, and nothing else yet. Everything that comes here needs a login unless DESIGN says not."""

from django.urls import path

from controlplane.operations import views as operations

urlpatterns = [
    path("livez", operations.livez, name="livez"),
    path("readyz", operations.readyz, name="readyz"),
    path("readyz/<str:name>", operations.readyz_check, name="readyz-check"),
    path("healthz", operations.readyz, name="healthz"),
]
