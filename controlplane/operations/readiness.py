"""The checks of this process."""

from functools import cache

from django.conf import settings

from controlplane.operations.checks import Checks
from controlplane.operations.stores import StoreChecks, wanted_migrations


@cache
def readiness() -> Checks:
    """One for each process; asks nothing before it is started or looked at."""
    connections = settings.CONNECTIONS
    stores = StoreChecks(connections.database_url, connections.redis_url, wanted_migrations())
    return Checks(stores.checks(), close=stores.close)
