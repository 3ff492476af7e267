"""An empty database with our tables, made once for each state of the migrations and copied by whoever needs one.

Making a cluster and its tables takes about ten seconds of a core, and a test run needs dozens of them. Kept below `build/`.
Where the database cannot live in a directory of ours (root without user namespaces) there is none, and everybody makes their
own. The tests of a first start make theirs too.
"""

import datetime as dt
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from controlplane.embedded.connections import DATABASE, ROLE, postgres_url
from controlplane.embedded.postgres_server import DIRECTORY, SETTINGS_FILE, PostgresServer
from controlplane.embedded.privileges import choose
from controlplane.operations.release import store_digest

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "build" / "test-stores"
PREPARE = "from controlplane.operations.prepare import prepare_database; from supervision.runtime.paths import Paths;"
PREPARE += "prepare_database(Paths.from_environment())"


def bring_database(data_dir: Path) -> bool:
    """Put the database into an instance's data directory that has none yet; whether it is one with our tables."""
    target = data_dir / DIRECTORY
    if target.exists() or target.is_symlink():
        return False
    made = _made()
    if made is None:
        return False
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    _copy(made, target)
    return True


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", source, target], check=True)  # two thousand files: a third of shutil's time


def _made() -> Path | None:
    """The kept one, made if this is the first call of all for this state of the migrations."""
    month = dt.datetime.now(dt.UTC)
    target = (
        KEPT / f"{store_digest()}-{month:%Y-%m}"
    )  # the journal has partitions for this month and the next
    if target.exists():
        return target
    KEPT.mkdir(parents=True, exist_ok=True)
    with (KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists() and not _make(target):
            return None
    return target


def _make(target: Path) -> bool:
    with tempfile.TemporaryDirectory(prefix="ovm-") as name:
        base = Path(name)
        privileges = choose("tests", base / DIRECTORY)
        if privileges.home is not None:
            return False
        server = PostgresServer.of(data_dir=base, socket_dir=base, privileges=privileges)
        server.prepare()
        with (server.data_dir / SETTINGS_FILE).open("a") as file:
            file.write("fsync = off\n")
        argv = [*privileges.prefix, str(server.binaries / "bin/postgres"), "-D", str(server.data_dir)]
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={"PATH": os.defpath, "LC_ALL": "C"}, cwd="/", start_new_session=True,
        )  # fmt: skip
        try:
            environment = {
                "PATH": os.environ["PATH"], "OVERSTORY_DATA_DIR": str(base / "made"),
                "DATABASE_URL": postgres_url(base, role=ROLE, database=DATABASE),
            }  # fmt: skip
            subprocess.run([sys.executable, "-c", PREPARE], cwd=ROOT, env=environment, check=True, timeout=200,
                           stdout=subprocess.DEVNULL)  # fmt: skip
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
        for old in KEPT.iterdir():
            if old.is_dir():
                shutil.rmtree(
                    old, ignore_errors=True
                )  # of another state: a copy under way fails, and says so
        aside = KEPT / f"{target.name}.new"
        _copy(server.data_dir, aside)
        aside.rename(target)
    return True
