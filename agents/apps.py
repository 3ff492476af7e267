"""Django's view of the package."""

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from agents.checkpoints import questions as checkpoints
        from agents.checkpoints.services import take_in
        from agents.configs.resolving import fill_in
        from agents.registry import questions as registry
        from agents.registry.ending import end_registrations
        from supervision.journal.handlers import on_ingest
        from supervision.programs.handlers import on_program_event
        from supervision.trees.resolving import resolves

        resolves(fill_in)
        on_ingest(end_registrations)
        on_program_event("checkpoint.")(take_in)
        checkpoints.answer_questions()
        registry.answer_questions()
