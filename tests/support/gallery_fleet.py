"""A fleet with something on every page: trees that work and trees that fail, agents, workers, rules, findings, people.

All of it is asked for as an operator asks: tree files, commands and REST, in a running instance.
"""

import contextlib
import json
import secrets
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from controlplane.embedded.connections import Connections
from supervision.runtime.paths import Paths
from tests.support.browser import ROOT, Site
from tests.support.chromium import log_in
from tests.support.host import Host
from tests.support.waiting import wait_for

SOURCES = Path(__file__).with_name("gallery_programs")
PROGRAMS = "(where the programs are)"
SLOW_S = 120
BEAT = "(a file of the beat)"
"""Words that an instance's own paths take the place of."""
SHOP = {
    "version": 1,
    "tree": "shop",
    "supervisor": {
        "strategy": "one_for_one",
        "intensity": 10,
        "period": "60s",
        "children": [
            {
                "id": "api",
                "process": {
                    "command": ["python", "api.py", "serve", "8421"],
                    "cwd": PROGRAMS,
                    "health": [
                        {"name": "http", "http": {"url": "http://127.0.0.1:8421/"}, "interval": "2s"},
                        {"name": "warehouse", "http": {"url": "http://127.0.0.1:8421/warehouse"}, "interval": "2s"},
                    ],
                },
            },
            {
                "id": "ledger",
                "backoff": {"initial": "4s", "factor": 2, "cap": "60s", "reset_after": "60s"},
                "process": {"command": ["python", "api.py", "crash", "3"], "cwd": PROGRAMS},
            },
            {
                "id": "feed",
                "restart": "temporary",
                "process": {"command": ["python", "api.py", "fail"], "cwd": PROGRAMS},
            },
            {
                "id": "back-office",
                "supervisor": {
                    "strategy": "one_for_all",
                    "children": [
                        {"id": name, "process": {"command": ["python", "api.py", "steady", name], "cwd": PROGRAMS}}
                        for name in ("invoices", "mail", "search")
                    ],
                },
            },
        ],
    },
}  # fmt: skip
ORDERS = {
    "version": 1,
    "tree": "orders",
    "supervisor": {
        "children": [
            {
                "id": "worker",
                "shutdown": "15s",
                "celery_worker": {
                    "app": "orders", "cwd": PROGRAMS, "queues": ["orders"], "concurrency": 2,
                    "scale": {"min": 1, "max": 3, "queue_length": 20},
                },
            },
            {
                "id": "beat",
                "process": {
                    "command": ["python", "-m", "celery", "--app=orders", "--quiet", "beat", f"--schedule={BEAT}"],
                    "cwd": PROGRAMS,
                    "environment": {"PYTHONPATH": str(ROOT / "agents/sdk/src")},
                },
            },
        ]
    },
}  # fmt: skip
CRAWL = {
    "version": 1,
    "tree": "crawl",
    "supervisor": {"children": [{"id": site, "agent": {"config": f"crawl/{site}"}} for site in ("books", "maps")]},
}  # fmt: skip
GIVES_UP = {
    "version": 1,
    "tree": "legacy",
    "supervisor": {
        "intensity": 2,
        "period": "60s",
        "children": [{"id": "bridge", "process": {"command": ["python", "api.py", "fail"], "cwd": PROGRAMS}}],
    },
}  # fmt: skip
BACKUPS = {
    "version": 1,
    "tree": "backups",
    "placement": {"labels": {"host": "attic"}},
    "supervisor": {
        "children": [
            {"id": name, "process": {"command": ["python", "api.py", "steady", name], "cwd": PROGRAMS}}
            for name in ("nightly", "weekly")
        ]
    },
}
METRICS = {
    "version": 1,
    "tree": "metrics",
    "placement": {"mode": "every"},
    "supervisor": {
        "children": [
            {"id": "exporter", "process": {"command": ["python", "api.py", "steady", "exporter"], "cwd": PROGRAMS}}
        ]
    },
}  # fmt: skip
UNSOUND = '''"""A module of the shop as somebody wrote it in a hurry."""
import threading
import urllib.request
from queue import Queue

waiting = Queue()
seen = []


def watch(url):
    """Looks at it for ever."""
    while True:
        try:
            seen.append(urllib.request.urlopen(url).read())
        except:
            pass


def begin(url):
    """Begins to look."""
    threading.Thread(target=watch, args=[url]).start()
'''
SOUND = UNSOUND.replace(
    "        except:\n            pass\n", "        except OSError as error:\n            print(error)\n"
)


class Fleet:
    """Makes all of it in one instance."""

    def __init__(self, site: Site, directory: Path) -> None:
        self.site = site
        self.directory = directory
        self.programs = directory / "programs"
        shutil.copytree(SOURCES, self.programs)
        shutil.copytree(ROOT / "examples", directory / "examples")

    def make(self) -> None:
        """Everything, in an order in which what takes long begins first."""
        for document in (SHOP, ORDERS, GIVES_UP):
            self._apply(document)
        self._configs()
        self._examples()
        with self._asking():
            self._people()
            self._rules()
            self._audits()
            self._registry()
            self._operate()

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        """REST by the session of somebody who is logged in."""
        context = self.site.browser.new_context(storage_state=self.site.session)
        try:
            page = context.new_page()
            page.goto(self.site.origin + "/settings")
            self._ask = context.request
            self._token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
            yield
        finally:
            context.close()

    @contextlib.contextmanager
    def second_host(self) -> Iterator[None]:
        """Another host joins for a while, and runs a tree of its own and its part of one that is everywhere."""
        stores = Connections.from_environment(Paths(self.site.data_dir), {})
        attic = Host("attic", database_url=stores.database_url, redis_url=stores.redis_url)
        with attic:
            with self._asking():
                for document in (BACKUPS, METRICS):
                    body = json.loads(json.dumps(document).replace(PROGRAMS, str(self.programs)))
                    self._post(f"/trees/{document['tree']}", body, "PUT", **{"If-None-Match": "*"})
            keys = ("backups/nightly", "backups/weekly", "metrics/exporter")
            wait_for(lambda: all(map(attic.pid_of, keys)), timeout=SLOW_S, what="attic runs its trees")
            yield
            attic.stop()

    def session_of(self, user: str) -> Any:
        """Somebody else who is logged in. Any: Playwright's own type."""
        link = json.loads(self.site.manage("login_link", "--json", "--user", user))["url"]
        context = self.site.browser.new_context()
        log_in(context.new_page(), link)
        session = context.storage_state()
        context.close()
        return session

    # -- what runs ----------------------------------------------------------------------------------------------------

    def _apply(self, document: dict[str, Any]) -> None:
        file = self.directory / f"{document['tree']}.json"
        file.write_text(
            json.dumps(document)
            .replace(BEAT, str(self.directory / "beat"))
            .replace(PROGRAMS, str(self.programs))
        )
        self.site.manage("apply", "--yes", str(file))

    def _examples(self) -> None:
        """Those that need no address of their own."""
        for name in ("trouble", "agents", "celery"):
            self.site.manage("apply", "--yes", str(self.directory / "examples" / f"{name}.yaml"))

    def _configs(self) -> None:
        for site in ("books", "maps"):
            config = {
                "entry_point": "crawling:Crawler",
                "arguments": {"site": site},
                "on_change": "deliver",
                "environment": {"PYTHONPATH": str(self.programs)},
            }
            file = self.directory / f"{site}.json"
            for message, arguments in (
                ("first", {}),
                ("the shop's own site only", {"site": f"{site}.example"}),
            ):
                file.write_text(json.dumps({**config, "arguments": {**config["arguments"], **arguments}}))  # type: ignore[dict-item]  # one mapping among texts
                self.site.manage("agent_config", "apply", f"crawl/{site}", str(file), "-m", message)

    # -- what is written down -----------------------------------------------------------------------------------------

    def _post(self, path: str, body: dict[str, Any], method: str = "POST", **headers: str) -> Any:
        """What REST answers; the body of a refusal is in the failure."""
        answer = self._ask.fetch(
            f"{self.site.origin}/api/v1{path}",
            method=method,
            data=body,
            headers={"X-CSRFToken": self._token, "Idempotency-Key": secrets.token_hex(16), **headers},
        )  # fmt: skip
        assert answer.ok, (path, answer.status, answer.text())
        return answer.json() if answer.text() else None

    def _people(self) -> None:
        for name, role, tree in (("grace", "operator", "shop"), ("lin", "viewer", ""), ("tove", "admin", "")):
            grants = [{"role": role, "tree": tree}]
            self._post("/users", {"name": name, "email": f"{name}@example.org", "grants": grants})
        ends = datetime.fromtimestamp(time.time() + 60 * 86400, UTC).isoformat()
        for name, scopes in (("deploys", ["operate"]), ("ci", ["upload"])):
            self._post("/tokens", {"name": name, "scopes": scopes, "tree": "shop", "expires_at": ends})

    def _rules(self) -> None:
        rule = {"shape": "threshold", "tree": "", "hold_minutes": 1}
        for more in (
            {"name": "memory above 20 MB", "measure": "rss", "bound": 20e6, "pattern": "shop/*"},
            {"name": "restarts in a minute", "measure": "restarts", "bound": 20, "severity": "critical"},
            {"name": "orders wait", "measure": "queue_length", "bound": 1000, "pattern": "orders"},
        ):
            self._post("/rules", {**rule, **more})
        for more in (
            {"name": "the shop is up", "indicator": "availability", "target": 99.9, "tree": "shop"},
            {
                "name": "charges end well",
                "indicator": "task_success",
                "target": 99.0,
                "pattern": "orders.charge",
            },
        ):
            self._post("/objectives", more)
        until = {
            "kind": "node_lost",
            "subject": "",
            "tree": "",
            "minutes": 600,
            "reason": "the rack is being moved",
        }
        self._post("/silences", until)
        grouping = [
            {"match": [["type", "TimeoutError"], ["module", "shop.*"]], "fingerprint": ["timeout", "{{ function }}"]},
            {"match": [["logger", "payments"]], "fingerprint": ["{{ default }}"], "title": "payments: {{ type }}"},
        ]  # fmt: skip
        known = f"{self.site.origin}/api/v1/error_projects/shop"
        wait_for(lambda: self._ask.get(known).ok, timeout=SLOW_S, what="shop has a project of errors")
        self._post("/error_projects/shop/grouping", {"rules": grouping}, "PUT", **{"If-Match": "*"})

    def _audits(self) -> None:
        code = self.directory / "code" / "shop"
        shutil.rmtree(code, ignore_errors=True)
        code.mkdir(parents=True)
        body = {"name": "shop", "tree": "shop", "path": str(code.parent), "owners": [["shop/*", "grace"]]}
        self._post("/audit_projects", body)
        for text in (UNSOUND, SOUND):
            (code / "watching.py").write_text(text)
            self.site.manage("audit_runs", "scan", "shop")
        phases = [
            {"title": "Keep every handle", "owner": "grace", "estimate_days": 3, "risk": "low",
             "rollback": "revert the merge request; the workers start as before",
             "criteria": [{"kind": "rule_count", "rule": "SUP101", "at_most": 0}]},
            {"title": "Bound what grows", "owner": "lin", "estimate_days": 2, "risk": "medium",
             "rollback": "raise the bound", "criteria": [{"kind": "rule_count", "rule": "SUP501", "at_most": 0}]},
        ]  # fmt: skip
        plan = {
            "project": "shop",
            "title": "No thread is left behind",
            "owner": "ada",
            "risk": "medium",
            "phases": phases,
        }
        made = self._post("/remediation_plans", plan)
        self._post(f"/remediation_plans/{made['id']}/phases/1/start", {})

    def _registry(self) -> None:
        self._post("/trees/crawl", CRAWL, "PUT", **{"If-None-Match": "*"})
        schema = {"type": "object", "properties": {"site": {"type": "string"}}, "required": ["site"]}
        self._post(
            "/agent_kinds/crawler",
            {"schema": schema, "description": "Reads a site"},
            "PUT",
            **{"If-None-Match": "*"},
        )
        self._post(
            "/services/default/crawl",
            {"min_ready": 2, "description": "Reads sites"},
            "PUT",
            **{"If-None-Match": "*"},
        )
        self._post(
            "/registrations",
            {"key": "leader", "holder": "importer on vm-7", "lease_s": 3600, "labels": {"zone": "north"}},
        )

    def _operate(self) -> None:
        for key in ("shop/api", "shop/back-office/mail", "shop/back-office/search"):
            self._until_up(key)
        reason = "the mail server moves"
        self._post(
            "/commands",
            {"verb": "hold", "key": "shop/back-office/mail", "args": {"seconds": 36000}, "reason": reason},
        )
        self._post(
            "/commands", {"verb": "stop", "key": "shop/back-office/search", "reason": "not needed this week"}
        )
        self._post("/commands", {"verb": "restart", "key": "shop/api", "reason": "new certificate"})

    def _until_up(self, key: str) -> None:
        wait_for(lambda: self.site.pid_of(key), timeout=SLOW_S, what=f"{key} runs")
