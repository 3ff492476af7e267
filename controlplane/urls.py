"""What Overstory serves: `/livez`, and nothing else yet. Everything that comes here needs a login unless DESIGN says not."""

from django.urls import path

from controlplane.views import livez

urlpatterns = [path("livez", livez)]
