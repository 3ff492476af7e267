"""`manage.py audit_runs`: runs of an audited project on this host's database; `compare` fails when there is more."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from controlplane.access.actors import local_actor
from supervision.auditruns import coverage, projects, selectors
from supervision.auditruns.exceptions import AuditRunsError
from supervision.auditruns.models import AuditProject
from supervision.auditruns.scanning import scan_project
from supervision.explain.words import count
from supervision.remediation.checking import check_project

MORE = 1


class Command(BaseCommand):
    """What pages and REST show, for a terminal."""

    requires_system_checks: list[str] = []  # Django's own type; they import every page
    help = (
        "List, scan and compare the runs of an audited project. `compare` exits with 1 for more of any rule."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", choices=("list", "scan", "compare", "coverage"))
        parser.add_argument("project", metavar="PROJECT")
        parser.add_argument(
            "numbers", nargs="*", type=int, metavar="RUN", help="compare: the earlier and the later run"
        )
        parser.add_argument("--json", action="store_true", help="Print JSON.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            project = projects.project_named(options["project"])
            match options["verb"]:
                case "list":
                    self._list(project, as_json=options["json"])
                case "scan":
                    self._scan(project)
                case "compare":
                    self._compare(project, options["numbers"], as_json=options["json"])
                case "coverage":
                    self._coverage(project, as_json=options["json"])
        except AuditRunsError as error:
            raise CommandError(str(error)) from None

    def _list(self, project: AuditProject, *, as_json: bool) -> None:
        for run in selectors.trend(project):
            if as_json:
                said = {
                    "number": run.number, "received_at": run.received_at.isoformat(), "tool": run.tool,
                    "total": run.total, "new": run.new, "gone": run.gone, "verdict": run.verdict,
                }  # fmt: skip
                self.stdout.write(json.dumps(said))
            else:
                at = run.received_at.strftime("%Y-%m-%d %H:%M")
                self.stdout.write(
                    f"{run.number:>5}  {at}  {run.verdict:<5}  {run.total:>6} findings"
                    f"  +{run.new} -{run.gone}  {run.tool}"
                )

    def _scan(self, project: AuditProject) -> None:
        run = scan_project(project=project, actor=local_actor(), now=timezone.now())
        check_project(project_id=project.pk, now=timezone.now())
        self.stdout.write(
            f"run {run.number}: {run.verdict}, {count(run.total, 'finding', 'findings')}, {run.new} new, {run.gone} gone"
        )

    def _compare(self, project: AuditProject, numbers: list[int], *, as_json: bool) -> None:
        if len(numbers) not in (0, 2):
            raise CommandError("compare takes two runs, or none for the newest and the one before")
        found = selectors.compared(project, *(numbers or (0, 0)))
        comparison = found.comparison
        if as_json:
            said = {
                "before": found.before.number, "after": found.after.number, "verdict": comparison.verdict,
                "grown": comparison.grown, "shrunk": comparison.shrunk,
                "came": [row.fingerprint for row in found.came], "went": [row.fingerprint for row in found.went],
            }  # fmt: skip
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write(f"run {found.before.number} to {found.after.number}: {comparison.verdict}")
            for rule, (before, now) in sorted({**comparison.grown, **comparison.shrunk}.items()):
                self.stdout.write(f"  {rule}: {before} to {now}")
            for sign, rows in (("+", found.came), ("-", found.went)):
                for row in rows:
                    self.stdout.write(f"{sign} {row.path}:{row.line} {row.rule} {row.message}")
        if comparison.grown:
            sys.exit(MORE)

    def _coverage(self, project: AuditProject, *, as_json: bool) -> None:
        body = coverage.as_body(coverage.supervision_coverage(project, now=timezone.now()))
        if as_json:
            self.stdout.write(json.dumps(body))
            return
        share = "not known" if body["share"] is None else f"{body['share']:.1%}"
        self.stdout.write(
            f"supervision coverage: {share} ({body['covered']} covered, {body['uncovered']} not)"
        )
        for kind, states in sorted(body["sites"].items()):
            parts = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
            self.stdout.write(f"  the code can start, {kind}: {parts}")
        for name in ("declared", "running", "below", "strays"):
            self.stdout.write(f"  {name}: {'not known' if body[name] is None else body[name]}")
        for line in body["not_covered"]:
            self.stdout.write(f"  not known: {line}")
