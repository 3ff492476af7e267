"""`manage.py doctor`"""

import os
import textwrap
from typing import Any

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import pad, printable
from controlplane.doctor.checks import CHECKS
from controlplane.doctor.findings import Finding, Host, Verdict, counts, examine

TONES = {Verdict.OK: Tone.OK, Verdict.WARN: Tone.WARN, Verdict.FAIL: Tone.CRIT}
LEAD = 27


class Command(OperatorCommand):
    is_remote = False
    help = "Say what this host lacks and what to do about it. Exit code 1 when something fails; needs no node and no store."
    example = "manage.py doctor --json"

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        terminal = invocation.terminal
        findings = examine(Host(invocation.paths, os.environ, invocation.clock), CHECKS)
        seen = counts(findings)
        if terminal.json:
            body = {
                "ok": seen["fail"] == 0,
                "counts": seen,
                "checks": [finding.to_json() for finding in findings],
            }
            terminal.document(body)
        else:
            for finding in findings:
                _show(finding, terminal)
            terminal.line(f"{seen['ok']} ok, {seen['warn']} warn, {seen['fail']} fail")
        return ExitCode.FAILED if seen["fail"] else ExitCode.DONE


def _show(finding: Finding, terminal: Terminal) -> None:
    verdict = terminal.paint(pad(str(finding.verdict), 5), TONES[finding.verdict])
    lines = textwrap.wrap(printable(finding.text), max(30, terminal.columns - LEAD)) or [""]
    terminal.line(f"{verdict} {pad(finding.check, LEAD - 7)} {lines[0]}")
    for line in lines[1:]:
        terminal.line(" " * LEAD + line)
    if finding.verdict is not Verdict.OK:
        for line in textwrap.wrap(finding.advice, max(30, terminal.columns - LEAD)):
            terminal.line(" " * LEAD + terminal.paint(line, Tone.IDLE))
