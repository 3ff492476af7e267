"""Two network namespaces with one link between them that can be cut, and stores over TCP in the first one. For root only."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from controlplane.embedded.connections import DATABASE, ROLE
from controlplane.embedded.postgres_server import SETTINGS_FILE, PostgresServer
from controlplane.embedded.privileges import choose
from controlplane.embedded.redis_server import installed_binaries
from tests.support.schema import migrate
from tests.support.waiting import wait_for

NEAR, FAR = "10.77.0.1", "10.77.0.2"
POSTGRES_PORT, REDIS_PORT = 5432, 6379


@dataclass(frozen=True, slots=True)
class Network:
    """`near` has the stores, `far` reaches them over the link."""

    near: str
    far: str
    link: str

    def within(self, namespace: str) -> list[str]:
        """Put before a command line: it runs in this network. Nothing else of it is another's, not even /sys."""
        return ["nsenter", f"--net=/run/netns/{namespace}"]

    def cut(self) -> None:
        _ip("-n", self.near, "link", "set", self.link, "down")

    def heal(self) -> None:
        _ip("-n", self.near, "link", "set", self.link, "up")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Removed at the end, with every connection in it."""
    name = f"ovs{os.getpid()}"
    made = Network(f"{name}n", f"{name}f", "link0")
    with contextlib.ExitStack() as stack:
        for namespace in (made.near, made.far):
            _ip("netns", "add", namespace)
            stack.callback(_ip, "netns", "del", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        _ip(
            "-n",
            made.near,
            "link",
            "add",
            made.link,
            "type",
            "veth",
            "peer",
            "name",
            made.link,
            "netns",
            made.far,
        )
        for namespace, address in ((made.near, NEAR), (made.far, FAR)):
            _ip("-n", namespace, "address", "add", f"{address}/24", "dev", made.link)
            _ip("-n", namespace, "link", "set", made.link, "up")
        yield made


def _ip(*arguments: str) -> None:
    if shutil.which("ip") is None:
        subprocess.run(["apt-get", "install", "-y", "iproute2"], check=True, capture_output=True, timeout=300)
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)


@dataclass(frozen=True, slots=True)
class RemoteStores:
    """The same two stores: over the link, and by the socket in `directory` whatever the link does."""

    directory: Path
    database_url: str
    redis_url: str
    local_url: str


@contextlib.contextmanager
def remote_stores(directory: Path, net: Network) -> Iterator[RemoteStores]:
    """PostgreSQL, with our schema, and Redis, in the near network."""
    with contextlib.ExitStack() as stack:
        server = PostgresServer.of(
            data_dir=directory, socket_dir=directory, privileges=choose("fleet", directory / "postgres")
        )
        server.prepare()
        with (server.data_dir / SETTINGS_FILE).open("a") as file:
            file.write(f"listen_addresses = '{NEAR}'\nport = {POSTGRES_PORT}\nfsync = off\n")
        (server.data_dir / "pg_hba.conf").write_text(f"local all all trust\nhost all all {NEAR}/24 trust\n")
        postgres = [
            *server.privileges.prefix,
            str(server.binaries / "bin/postgres"),
            "-D",
            str(server.data_dir),
        ]
        _start([*net.within(net.near), *postgres], stack)
        settings = directory / "redis.conf"
        settings.write_text(f'port {REDIS_PORT}\nbind {NEAR}\nprotected-mode no\nsave ""\ndir {directory}\n')
        _start([*net.within(net.near), str(installed_binaries() / "redis-server"), str(settings)], stack)
        made = RemoteStores(
            directory,
            f"postgresql://{ROLE}@{NEAR}:{POSTGRES_PORT}/{DATABASE}",
            f"redis://{NEAR}:{REDIS_PORT}/0",
            f"postgresql://{ROLE}@/{DATABASE}?host={directory}",
        )
        wait_for(lambda: _connects(made.local_url), timeout=60, what="PostgreSQL answers")
        migrate(made.local_url)
        yield made


def _connects(url: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(url).close()
        return True
    return False


def _start(argv: list[str], stack: contextlib.ExitStack) -> None:
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.defpath, "LC_ALL": "C"},
        cwd="/",
        start_new_session=True,
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
