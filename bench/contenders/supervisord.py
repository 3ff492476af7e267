"""supervisor 4: one program section with n processes. startsecs=0, or it waits a second before each restart."""

import os

from bench.contenders.contender import DaemonContender

CONFIG = """\
[supervisord]
nodaemon=true
user={user}
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
childlogdir={directory}
minfds={minfds}

[program:child]
command={command}
process_name=child-%(process_num)05d
numprocs={count}
autorestart=true
startsecs=0
startretries=1000000
"""


class Supervisord(DaemonContender):
    """Stopped by SIGTERM."""

    name = "supervisord"

    def prepare(self) -> None:
        (self.room.directory / "supervisord.conf").write_text(
            CONFIG.format(
                user=f"{os.getuid()}",
                directory=self.room.directory,
                minfds=4 * self.room.count + 100,
                command=" ".join(self.room.argv("%(process_num)d")),
                count=self.room.count,
            )
        )

    def launch(self) -> None:
        self.spawn([str(self.room.tools / "venv/bin/supervisord"), "-c", "supervisord.conf"])
