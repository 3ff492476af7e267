"""Django's view of the package."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from agents.configs.resolving import fill_in
        from supervision.trees.resolving import resolves

        resolves(fill_in)
