"""One instance as the foreground prepares it: its stores, its system tree, its examples, its ports."""

import json
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controlplane import system_tree
from controlplane.embedded import postgres_server
from controlplane.embedded.connections import Connections
from controlplane.embedded.files import write_atomically
from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.privileges import choose
from controlplane.embedded.redis_server import RedisServer
from controlplane.foreground.examples import Example, addresses_of, load_examples
from controlplane.foreground.network_ports import next_free
from controlplane.foreground.progress import Progress
from controlplane.given import hand_over
from controlplane.reachable import Reachable, ReachableError
from supervision.runtime.desired import DesiredStore
from supervision.runtime.paths import Paths
from supervision.runtime.processes import find_marked

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_PORT = 8400
MESSAGE = "applied by manage.py up"
"""How our own revisions are told from an operator's."""


ROOT_CHILDREN = """# Written by `manage.py up`, which was run as root. Without it a node that runs as root starts no child
# that names no user; remove the line, or this file, to have that rule.
root_children = true
"""


class PrepareError(Exception):
    """The instance cannot be prepared; the message says what to change."""


@dataclass(slots=True)
class Instance:
    """Everything about one instance that is known before its guardian starts."""

    paths: Paths
    connections: Connections
    environ: Mapping[str, str]
    with_examples: bool = True
    message: str = MESSAGE
    port: int = 0
    system: system_tree.SystemTree | None = None
    examples: list[Example] = field(default_factory=list)
    system_name: str = system_tree.NAME

    def prepare(self, progress: Progress) -> None:
        """Make or check the stores' data, write their settings, choose ports. Takes the first start about a second."""
        data_dir, runtime_dir = self.paths.data_dir, self.paths.runtime_dir
        if os.geteuid() == 0 and not self.paths.node_toml.exists():
            write_atomically(self.paths.node_toml, ROOT_CHILDREN)
            progress.step(f"run as root: children may run as root too ({self.paths.node_toml})")
        postgres = redis = None
        if self.connections.given_database_url is None:
            privileges = choose(self.paths.instance_id, data_dir / postgres_server.DIRECTORY)
            postgres = PostgresServer.of(data_dir=data_dir, socket_dir=runtime_dir, privileges=privileges)
            fresh = not postgres.data_dir.exists()
            postgres.prepare()
            postgres.link_socket(runtime_dir)
            made = "new database" if fresh else "database found"
            progress.step(f"PostgreSQL: {made} in {postgres.data_dir}, runs {privileges.how}")
        else:
            progress.step("PostgreSQL: DATABASE_URL is given, none is started here")
        if self.connections.given_redis_url is None:
            redis = RedisServer.of(data_dir=data_dir, socket_dir=runtime_dir)
            redis.prepare()
        else:
            progress.step("Redis: REDIS_URL is given, none is started here")
        self.port = self._choose_port(progress)
        try:
            progress.step(f"web: {self.public_url}/ (port {self.port})")
        except ReachableError as error:
            raise PrepareError(str(error)) from None
        given = hand_over(runtime_dir, self.environ)
        self.system = system_tree.SystemTree(
            self.paths,
            self.port,
            postgres,
            redis,
            given,
            {name: self.environ[name] for name in system_tree.PASSED_ON if self.environ.get(name)},
        )
        self.examples = self._load_examples(progress)

    def system_document(self) -> dict[str, Any]:
        """The system tree's document; prepare() comes first."""
        if self.system is None:
            raise PrepareError("prepare() comes first")
        return self.system.document()

    def example_documents(self) -> list[dict[str, Any]]:
        return [example.document for example in self.examples]

    def urls(self) -> list[tuple[str, str]]:
        """What answers where: name and address."""
        served = [(example.name, url) for example in self.examples for url in example.urls()]
        return [("web", f"{self.public_url}/"), ("livez", f"http://127.0.0.1:{self.port}/livez"), *served]

    @property
    def public_url(self) -> str:
        """Where people reach the web, without a slash at the end."""
        return Reachable.from_environment({**self.environ, "OVERSTORY_PORT": str(self.port)}).public_url

    def link_environment(self) -> dict[str, str]:
        """What `login_link` needs to know of this instance."""
        given = self.system.given if self.system is not None else {}
        return {
            **given,
            "OVERSTORY_DATA_DIR": str(self.paths.data_dir),
            "OVERSTORY_PORT": str(self.port),
        }

    def prefix(self) -> str:
        """What a second terminal has to put before a command to mean this instance."""
        if (
            self.paths.data_dir == Paths.from_environment().data_dir
            and "OVERSTORY_DATA_DIR" not in self.environ
        ):
            return ""
        return f"OVERSTORY_DATA_DIR={shlex.quote(str(self.paths.data_dir))} "

    def clean_up(self) -> None:
        """Remove what only a running instance needs."""
        if self.system is not None and self.system.postgres is not None:
            self.system.postgres.unlink_socket(self.paths.runtime_dir)

    def _choose_port(self, progress: Progress) -> int:
        given = self.environ.get("OVERSTORY_PORT", "")
        try:
            wanted = int(given) if given else DEFAULT_PORT
            if not 0 < wanted < 65536:
                raise ValueError(given)
        except ValueError:
            raise PrepareError(
                f"OVERSTORY_PORT is {given!r}; it has to be a number from 1 to 65535"
            ) from None
        port = next_free(wanted, ours=self._ports_of_survivors(self.system_name))
        if port != wanted:
            progress.step(f"port {wanted} is taken, using {port}")
        return port

    def _ports_of_survivors(self, tree: str) -> frozenset[int]:
        """Ports of the tree's last revision while children of ours live that no node supervises: they will be adopted."""
        desired = DesiredStore(self.paths.desired_dir).read(tree)
        if desired is None or not self._has_survivors():
            return frozenset()
        return frozenset(int(address.rpartition(":")[2]) for address in addresses_of(desired.document))

    def _has_survivors(self) -> bool:
        try:
            node_id = str(json.loads(self.paths.node_json.read_text())["node_id"])
        except (OSError, ValueError, KeyError):
            return False
        return bool(find_marked(f"{node_id[:8]}:"))

    def _load_examples(self, progress: Progress) -> list[Example]:
        if not self.with_examples:
            return []
        available = self.connections.examples_environment().keys() | os.environ.keys()
        taken = {self.port}
        kept = []
        for example in load_examples():
            missing = example.needs - available
            if missing:
                progress.step(f"example {example.name}: left out, {', '.join(sorted(missing))} is not set")
                continue
            for line in example.move_ports(taken, self._ports_of_survivors(example.name)):
                progress.step(line)
            kept.append(example)
        return kept
