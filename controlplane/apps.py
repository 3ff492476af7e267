"""Django's view of the package."""

from django.apps import AppConfig


class ControlPlaneConfig(AppConfig):
    name = "controlplane"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from controlplane.intake.telling import tell
        from controlplane.operations.counting import count_restarts
        from supervision.errors.store.changes import on_change
        from supervision.journal.handlers import on_ingest

        on_ingest(count_restarts)
        on_change(tell)
