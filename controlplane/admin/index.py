"""The site with everything that is registered on it: import it from here."""

from controlplane.admin import (
    access,
    agents,
    alerts,
    auditlog,
    audits,
    errors,
    fleet,
    journal,
    operations,
    programs,
    remediation,
    samples,
    tasks,
    trees,
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
    journal,
    operations,
    programs,
    remediation,
    samples,
    tasks,
    trees,
)

__all__ = ["MODULES", "site"]
