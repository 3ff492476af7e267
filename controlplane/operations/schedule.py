"""The platform's periodic jobs: what runs how often. Slots lie on a grid, so a restart neither skips nor repeats one."""

import math
from dataclasses import dataclass

MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Job:
    """A task published each `every_s` seconds, `offset_s` after a multiple of it. A message expires with its slot."""

    name: str
    every_s: int
    offset_s: int = 0

    @property
    def task(self) -> str:
        return f"platform.{self.name}"

    def next_after(self, at: float) -> float:
        """The first slot later than Unix second `at`."""
        return (math.floor((at - self.offset_s) / self.every_s) + 1) * self.every_s + self.offset_s


JOBS = (
    Job("deliver_alerts", 10),
    Job("watch_fleet", 10, 5),
    Job("watch_rules", 10, 8),
    Job("watch_errors", 10, 3),
    Job("watch_objectives", MINUTE, 15),
    Job("look_at_shared", 30, 12),
    Job("ping_outside", MINUTE),
    Job("export_metrics", MINUTE, 35),
    Job("repeat_alerts", MINUTE, 7),
    Job("roll_up_hours", 5 * MINUTE, 20),
    Job("scan_code", MINUTE, 25),
    Job("expire_rows", 15 * MINUTE, 40),
    Job("make_partitions", HOUR, 90),
    Job("drop_partitions", HOUR, 5 * MINUTE),
    Job("verify_audit", DAY, 3 * HOUR),
)
