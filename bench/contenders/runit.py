"""runit: a runsvdir over one service directory per child, `run` being a shell script with exec, as its manual shows."""

import shlex
import signal

from bench.contenders.contender import DaemonContender, executable_script
from supervision.runtime.processes import direct_children


class Runit(DaemonContender):
    """SIGHUP tells runsvdir to end every runsv, which ends its child."""

    name = "runit"

    def prepare(self) -> None:
        for index in range(self.room.count):
            service = self.room.directory / "services" / str(index)
            service.mkdir(parents=True)
            executable_script(service / "run", f"exec {shlex.join(self.room.argv(index))}")

    def launch(self) -> None:
        self.spawn(["runsvdir", "-P", str(self.room.directory / "services")])

    def halt(self) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(signal.SIGHUP)

    def daemons(self) -> list[int]:
        own = super().daemons()
        return own + [leaf for pid in own for leaf in direct_children(pid)]
