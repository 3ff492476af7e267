"""Django's view of the package."""

from django.apps import AppConfig


class SupervisionConfig(AppConfig):
    name = "supervision"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from supervision.alerts.watching import raise_from_records
        from supervision.errors.store import crashes
        from supervision.journal.handlers import on_ingest
        from supervision.programs import ended
        from supervision.programs.own import register
        from supervision.tasks import pools
        from supervision.tasks import programs as tasks
        from supervision.trees.resolving import resolves

        on_ingest(raise_from_records, kinds=("step", "stray", "damage"))
        on_ingest(crashes.file_crashes, kinds=("exit",))
        on_ingest(crashes.file_failed_supervision, about=crashes.tells_of_failed_supervision)
        register()
        ended.register()
        tasks.register()
        resolves(pools.fill_in)
