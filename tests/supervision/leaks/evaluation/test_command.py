"""The command over the public traces, and over files that are none."""

import argparse
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from supervision.leaks.evaluation.command import run
from supervision.leaks.evaluation.traces import alarms, read_traces
from supervision.leaks.parameters import Parameters

TRACES = Path(__file__).parents[3] / "data" / "leaktraces"


def _run(path: Path, **changes: Any) -> tuple[int, str, str]:
    options = {
        "path": str(path),
        "json": False,
        "alarms": None,
        "leave_one_program_out": False,
        "mixtures": False,
        **changes,
    }
    out, err = StringIO(), StringIO()
    return run(argparse.Namespace(**options), out, err), out.getvalue(), err.getvalue()


def _file(directory: Path, **changes: Any) -> Path:
    document = {
        "name": "one",
        "columns": ["t", "ops", "fds"],
        "samples": [[minute * 60, minute, 4 + max(0, (minute - 120) // 10)] for minute in range(400)],
        **changes,
    }
    path = directory / "one.json"
    path.write_text(json.dumps(document))
    return path


def test_the_public_traces() -> None:
    """The figures that are promised: F1 0.90, 0.6 false alarms in 24 h, 125 minutes. They depend on no clock."""
    status, out, _ = _run(TRACES, json=True)
    result = json.loads(out)
    assert status == 0
    assert (result["traces"], result["leaks"], len(result["per_trace"])) == (61, 31, 61)
    assert result["f1"] >= 0.90
    assert result["false_alarms_per_24h"] <= 0.6
    assert result["median_delay_min"] <= 125
    assert result["tp"] == sum(each["outcome"].startswith("found") for each in result["per_trace"])


@pytest.mark.soak
def test_each_program_judged_by_parameters_that_never_saw_it() -> None:
    status, out, _ = _run(TRACES, json=True, leave_one_program_out=True)
    result = json.loads(out)
    assert status == 0
    assert result["f1"] >= 0.90
    assert result["false_alarms_per_24h"] <= 0.6
    assert result["median_delay_min"] <= 125


@pytest.mark.soak
def test_mixtures_of_traces() -> None:
    """Programs that were never recorded ought not to be worse than those that were."""
    result = json.loads(_run(TRACES, json=True, mixtures=True)[1])
    assert (result["traces"], result["leaks"]) == (280 + 378, 280)
    assert result["f1"] >= 0.90


def test_what_comes_later_changes_no_alarm_before_it() -> None:
    for trace in read_traces(TRACES)[::6]:
        whole = alarms(trace, Parameters())
        for part in (150, 300):
            cut = type(trace)(trace.name, trace.samples[:part], None)
            assert alarms(cut, Parameters()) == [each for each in whole if each.index < part]


def test_alarms_without_labels(tmp_path: Path) -> None:
    _file(tmp_path)
    written = tmp_path / "alarms"
    assert _run(tmp_path, alarms=str(written)) == (0, "", "")
    found = json.loads(written.read_text())
    assert [each["resource"] for each in found["one"]] == ["fds"]
    assert 120 < found["one"][0]["index"] < 240


def test_without_labels_and_without_a_file_nothing_would_be_said(tmp_path: Path) -> None:
    _file(tmp_path)
    status, out, err = _run(tmp_path)
    assert (status, out) == (2, "")
    assert "--alarms" in err


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": None}, "one.json"),
        ({"columns": ["ops", "fds", "threads"]}, "`t`"),
        ({"samples": [[0, 1, None]]}, "`fds` is no number"),
        ({"samples": [[0, 1, float("nan")]]}, "`fds` is no number"),
        ({"samples": [[60, 1, 1], [0, 1, 1]]}, "`t` goes back"),
        ({"samples": [[0, 1]]}, "one.json"),
        ({"label": "perhaps"}, "perhaps"),
        ({"label": "leak"}, "onset_index"),
    ],
)
def test_a_file_that_is_no_trace_is_named(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    _file(tmp_path, **changes)
    status, out, err = _run(tmp_path)
    assert (status, out) == (2, "")
    assert "one.json" in err
    assert said in err


def test_an_empty_directory(tmp_path: Path) -> None:
    assert _run(tmp_path)[0] == 2
