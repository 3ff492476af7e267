"""Recorded traces of programs: reading them, and running the detector over one, sample by sample."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervision.leaks.detector import LeakDetector
from supervision.leaks.parameters import Parameters


class UnreadableTrace(Exception):  # noqa: N818 (named for what the caller sees)
    """A trace could not be read."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a labelled trace; the detector never sees it. `onset` is None where nothing leaks."""

    program: str
    leaks: bool
    accept: frozenset[str]
    onset: int | None


@dataclass(frozen=True, slots=True)
class Trace:
    """Samples as mappings, in order. `truth` is None where the file has no label."""

    name: str
    samples: tuple[Mapping[str, float], ...]
    truth: Truth | None


@dataclass(frozen=True, slots=True)
class Alarm:
    """The first one of a resource, at a sample's index."""

    resource: str
    index: int


def read_traces(directory: Path) -> list[Trace]:
    """Every *.json of the directory, in name order. UnreadableTrace names the file and what is wrong with it."""
    files = sorted(directory.glob("*.json"))
    if not files:
        raise UnreadableTrace(f"{directory}: no *.json files")
    return [_read(file) for file in files]


def alarms(trace: Trace, parameters: Parameters) -> list[Alarm]:
    """The first alarm of each resource, in order; at each sample the detector knows what came before, and no more."""
    detector = LeakDetector(parameters)
    first: dict[str, Alarm] = {}
    for index, sample in enumerate(trace.samples):
        for finding in detector.feed(sample):
            first.setdefault(finding.resource, Alarm(finding.resource, index))
    return list(first.values())


def _read(file: Path) -> Trace:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UnreadableTrace(f"{file}: {error}") from error
    try:
        samples = _samples(document["columns"], document["samples"])
        return Trace(str(document["name"]), samples, _truth(document, len(samples)))
    except (KeyError, TypeError, ValueError) as error:
        why = f"no `{error.args[0]}`" if isinstance(error, KeyError) else str(error)
        raise UnreadableTrace(f"{file}: {why}") from error


def _samples(columns: list[str], rows: list[list[float]]) -> tuple[Mapping[str, float], ...]:
    if "t" not in columns:
        raise ValueError("`columns` has no `t`")
    samples: list[Mapping[str, float]] = []
    for number, row in enumerate(rows):
        sample = dict(zip(columns, row, strict=True))
        for column, value in sample.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise ValueError(f"sample {number}: `{column}` is no number: {value!r}")
        if samples and sample["t"] < samples[-1]["t"]:
            raise ValueError(f"sample {number}: `t` goes back")
        samples.append(sample)
    return tuple(samples)


def _truth(document: Mapping[str, Any], samples: int) -> Truth | None:
    if "label" not in document:
        return None
    label, onset = document["label"], document.get("onset_index")
    if label not in ("leak", "no_leak"):
        raise ValueError(f"`label` is neither leak nor no_leak: {label!r}")
    if label == "leak" and (not isinstance(onset, int) or not 0 <= onset < samples):
        raise ValueError(f"`onset_index` is no sample: {onset!r}")
    accept = frozenset(document.get("accept") or ())
    return Truth(str(document.get("program", document["name"])), label == "leak", accept, onset)
