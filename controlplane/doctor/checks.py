"""Every check, in the order in which they are told."""

from controlplane.doctor import disk, installation, kernel, life, limits, places
from controlplane.doctor.findings import Check

CHECKS: tuple[Check, ...] = (
    *kernel.CHECKS,
    *limits.CHECKS,
    *disk.CHECKS,
    *places.CHECKS,
    *installation.CHECKS,
    *life.CHECKS,
)
