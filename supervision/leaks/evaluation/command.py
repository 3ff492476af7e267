"""The command: runs the detector over a directory of traces and prints how good it is. `manage.py evaluate_leak_detector`
is an edge of it."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from supervision.leaks.evaluation.fitting import leave_one_program_out, try_all
from supervision.leaks.evaluation.mixtures import clean_pairs, leaks_in_clean
from supervision.leaks.evaluation.scoring import Outcome, Score, outcome, score
from supervision.leaks.evaluation.traces import Alarm, Trace, UnreadableTrace, alarms, read_traces
from supervision.leaks.parameters import Parameters

DONE, UNREADABLE = 0, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="a directory whose *.json files are traces")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--alarms", metavar="FILE", help="write the alarms of each trace; labels are not needed"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--leave-one-program-out",
        action="store_true",
        help="judge each program by parameters chosen from the other programs only (about a minute)",
    )
    how.add_argument(
        "--mixtures",
        action="store_true",
        help="judge traces added to one another instead: plain leaks in clean programs, and pairs of clean programs",
    )


def run(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Exit status: 0 done, 2 a trace could not be read or the alarms could not be written."""
    try:
        traces = read_traces(Path(options.path))
        if options.mixtures:
            traces = [*leaks_in_clean(traces), *clean_pairs(traces)]
        labelled = [trace for trace in traces if trace.truth is not None]
        if options.leave_one_program_out and len(labelled) < len(traces):
            raise UnreadableTrace("--leave-one-program-out: every trace needs a label")
        found = {trace.name: alarms(trace, Parameters()) for trace in traces}
        if options.alarms:
            _write_alarms(Path(options.alarms), found)
    except (UnreadableTrace, OSError) as error:
        err.write(f"{error}\n")
        return UNREADABLE
    if not labelled:
        if not options.alarms:
            err.write("no trace has a label; --alarms FILE writes what was found\n")
            return UNREADABLE
        return DONE
    outcomes = (
        leave_one_program_out(try_all(labelled, _progress(err)))
        if options.leave_one_program_out
        else [outcome(trace, found[trace.name]) for trace in labelled]
    )
    result = score(outcomes)
    out.write(
        f"{json.dumps(_document(result, outcomes))}\n" if options.json else _text(result, outcomes, labelled)
    )
    return DONE


def _progress(err: TextIO) -> Any:
    """Any: a callback that writes to a terminal, and else nowhere."""
    if not err.isatty():
        return lambda done, of: None

    def show(done: int, of: int) -> None:
        err.write(f"\rtried {done} of {of}" + ("\n" if done == of else ""))
        err.flush()

    return show


def _write_alarms(path: Path, found: dict[str, list[Alarm]]) -> None:
    document = {name: [_alarm(each) for each in those] for name, those in found.items()}
    path.write_text(json.dumps(document, indent=1) + "\n")


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {"resource": alarm.resource, "index": alarm.index}


def _document(result: Score, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "traces": result.traces,
        "leaks": result.leaks,
        "tp": result.found,
        "fp_traces": result.false_traces,
        "precision": result.precision,
        "recall": result.recall,
        "f1": result.f1,
        "false_alarms": result.false_alarms,
        "false_alarms_per_24h": result.false_alarms_per_24h,
        "median_delay_min": result.median_delay_min,
        "per_trace": [
            {
                "name": each.trace,
                "outcome": each.word,
                "alarms": [_alarm(alarm) for alarm in each.alarms],
                "delay_min": None if each.delay_s is None else each.delay_s / 60,
            }
            for each in outcomes
        ],
    }


def _text(result: Score, outcomes: Sequence[Outcome], traces: Sequence[Trace]) -> str:
    times = {trace.name: [sample["t"] / 3600 for sample in trace.samples] for trace in traces}
    lines = []
    for each in outcomes:
        said = ", ".join(
            f"{alarm.resource} at {times[each.trace][alarm.index]:.1f} h" for alarm in each.alarms
        )
        delay = "" if each.delay_s is None else f"after {each.delay_s / 60:.0f} min"
        lines.append(f"{each.trace:6} {each.program:32.32} {each.word:12} {delay:14} {said}".rstrip())
    delay_text = "-" if result.median_delay_min is None else f"{result.median_delay_min:.0f} min"
    lines += [
        "",
        f"{result.traces} traces, {result.leaks} leaks: {result.found} found, {result.false_traces} with a false alarm",
        f"precision {result.precision:.3f}  recall {result.recall:.3f}  F1 {result.f1:.3f}  "
        f"false alarms per 24 h {result.false_alarms_per_24h:.2f}  median delay {delay_text}",
    ]
    return "\n".join(lines) + "\n"
