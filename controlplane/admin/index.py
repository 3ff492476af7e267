"""The site with everything that is registered on it: import it from here."""

from controlplane.admin import access, auditlog, fleet, journal, trees
from controlplane.admin.site import site

MODULES = (access, auditlog, fleet, journal, trees)

__all__ = ["MODULES", "site"]
