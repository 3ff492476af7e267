"""The site with everything that is registered on it: import it from here."""

from controlplane.admin import (
    access,
    agents,
    alerts,
    auditlog,
    audits,
    errors,
    fleet,
    health,
    journal,
    leaks,
    operations,
    programs,
    remediation,
    rules,
    samples,
    tasks,
    trees,
    views,
)
from controlplane.admin.site import site

MODULES = (
    access,
    agents,
    alerts,
    auditlog,
    audits,
    errors,
    fleet,
    health,
    journal,
    leaks,
    operations,
    programs,
    remediation,
    rules,
    samples,
    tasks,
    trees,
    views,
)

__all__ = ["MODULES", "site"]
