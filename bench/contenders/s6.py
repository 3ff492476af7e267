"""s6: an s6-svscan over one service directory per child, with readiness.

Without its readiness notification s6 waits a second before each restart; the child writes the newline it wants.
"""

import shlex

from bench.contenders.contender import DaemonContender, executable_script
from supervision.runtime.processes import direct_children

READY_FD = 3


class S6(DaemonContender):
    """SIGTERM tells s6-svscan to end every s6-supervise, which ends its child."""

    name = "s6"

    def prepare(self) -> None:
        for index in range(self.room.count):
            service = self.room.directory / "services" / str(index)
            service.mkdir(parents=True)
            (service / "notification-fd").write_text(f"{READY_FD}\n")
            executable_script(service / "run", f"exec {shlex.join(self.room.argv(index))} {READY_FD}")

    def launch(self) -> None:
        self.spawn(["s6-svscan", "-c", str(self.room.count + 10), str(self.room.directory / "services")])

    def daemons(self) -> list[int]:
        own = super().daemons()
        return own + [leaf for pid in own for leaf in direct_children(pid)]
