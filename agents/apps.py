"""Django's view of the package."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from agents.configs.resolving import fill_in
        from agents.registry.ending import end_registrations
        from agents.registry.questions import answer_questions
        from supervision.journal.handlers import on_ingest
        from supervision.trees.resolving import resolves

        resolves(fill_in)
        on_ingest(end_registrations)
        answer_questions()
