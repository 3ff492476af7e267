"""This instance, as alerts need to know it."""

from collections.abc import Sequence

from django.conf import settings

from supervision.alerts.addresses import Network


class Instance:
    """Read from the settings when it is asked."""

    @property
    def secret_key(self) -> str:
        return str(settings.SECRET_KEY)

    @property
    def public_url(self) -> str:
        return str(settings.REACHABLE.public_url)

    @property
    def networks(self) -> Sequence[Network]:
        networks: Sequence[Network] = getattr(settings, "WEBHOOK_NETWORKS")  # noqa: B009 the stubs lose its type
        return networks
