"""`manage.py remediation`: plans on this host's database. No verb ticks a criterion: `check` looks at the rows."""

import sys
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from controlplane.access.actors import local_actor
from supervision.auditruns.exceptions import AuditRunsError
from supervision.auditruns.projects import project_named
from supervision.remediation import report, selectors, services
from supervision.remediation.checking import check_plan
from supervision.remediation.criteria import words
from supervision.remediation.documents import read
from supervision.remediation.exceptions import InvalidPlanError, RemediationError
from supervision.remediation.models import RemediationPlan

UNMET = 1


class Command(BaseCommand):
    """The same services as pages and REST."""

    requires_system_checks: list[str] = []  # Django's own type; they import every page
    help = "Plans of remediation: list, show, check (exit 1 while something does not hold), create, start, rollback, report."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("list", help="Every plan.")
        for name, about in (("show", "A plan and its criteria."), ("check", "Look at its criteria now.")):
            verbs.add_parser(name, help=about).add_argument("plan", type=int)
        create = verbs.add_parser(
            "create", help="Write a plan from a YAML or JSON file (- reads standard input)."
        )
        create.add_argument("project")
        create.add_argument("file")
        start = verbs.add_parser("start", help="Begin a phase.")
        rollback = verbs.add_parser("rollback", help="Write down that a phase was taken back.")
        for one in (start, rollback):
            one.add_argument("plan", type=int)
            one.add_argument("phase", type=int)
        rollback.add_argument("--reason", required=True)
        export = verbs.add_parser("report", help="Print a plan as a report.")
        export.add_argument("plan", type=int)
        export.add_argument("--format", choices=("markdown", "html"), default="markdown")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._carry_out(options)
        except InvalidPlanError as error:
            raise CommandError(f"{error.pointer or 'the plan'}: {error}") from None
        except (RemediationError, AuditRunsError) as error:
            raise CommandError(str(error)) from None

    def _carry_out(self, options: dict[str, Any]) -> None:
        now, actor = timezone.now(), local_actor()
        match options["verb"]:
            case "list":
                for plan in selectors.plans(None):
                    self.stdout.write(f"{plan.pk:>4}  {plan.state:<9}  {plan.project.name}  {plan.title}")
                return
            case "report":
                write = report.as_html if options["format"] == "html" else report.as_markdown
                self.stdout.write(write(selectors.whole(options["plan"]), now=now))
                return
            case "create":
                project = project_named(options["project"])
                plan = services.create_plan(
                    project=project, written=read(_loaded(options["file"])), actor=actor, now=now
                )
            case "start":
                plan = services.start_phase(
                    plan_id=options["plan"], position=options["phase"], actor=actor, now=now
                )
            case "rollback":
                plan = services.roll_back_phase(
                    plan_id=options["plan"],
                    position=options["phase"],
                    reason=options["reason"],
                    actor=actor,
                    now=now,
                )
            case "check":
                plan = check_plan(plan_id=options["plan"], now=now)
            case _:
                plan = selectors.whole(options["plan"])
        holds = self._show(plan)
        if options["verb"] == "check" and not holds:
            sys.exit(UNMET)

    def _show(self, plan: RemediationPlan) -> bool:
        """Print it; whether every criterion holds."""
        whole = selectors.whole(plan.pk)
        self.stdout.write(
            f"plan {whole.pk} of {whole.project.name}: {whole.title} ({whole.state}, {whole.owner})"
        )
        holds = True
        for phase in whole.phases.all():
            self.stdout.write(f"{phase.position}. {phase.title}: {phase.state.replace('_', ' ')}")
            for row in phase.criteria.all():
                holds &= row.is_met
                sign = "+" if row.is_met else "-"
                self.stdout.write(f"   {sign} {words(row.kind, row.params)}: {row.value}")
        return holds


def _loaded(name: str) -> Any:
    """Any: what the file says. Raises InvalidPlanError."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return yaml.safe_load(text)
    except OSError as error:
        raise InvalidPlanError("", f"{name}: {error.strerror or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidPlanError("", f"{name}: no YAML: {error}") from None
