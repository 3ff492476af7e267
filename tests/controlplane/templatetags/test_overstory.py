"""The template tags, with the cases that the browser's modules pass too."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.http import QueryDict
from django.template import Context, Template
from django.test import RequestFactory

from controlplane.templatetags import overstory

CASES = json.loads((Path(__file__).resolve().parents[2] / "data" / "format_cases.json").read_text())
FILTERS = {
    "bytes": overstory.bytes_text,
    "percent": overstory.percent,
    "duration": overstory.duration,
    "uptime": overstory.uptime,
    "count": overstory.count_text,
    "age": overstory.age,
}


@pytest.mark.parametrize(
    ("name", "value", "text"), [(name, *case) for name, cases in CASES.items() for case in cases]
)
def test_numbers_read_as_in_the_browser(name: str, value: float | None, text: str) -> None:
    assert FILTERS[name](value) == text


def test_every_filter_has_cases() -> None:
    assert FILTERS.keys() == CASES.keys()


def test_a_state_is_a_shape_and_a_word_and_is_escaped() -> None:
    html = overstory.state("backoff", chip=True)
    assert "#state-warn" in html
    assert "tone-warn chip" in html
    assert ">backoff<" in html
    assert "<script>" not in overstory.state("<script>")


def test_a_rollup_names_the_worst_first() -> None:
    html = overstory.rollup({"running": 3, "failed": 1, "stopped": 0})
    assert "1 failed, 3 running" in html
    assert '<rect class="crit" x="0.00" width="25.00"' in html
    assert "no children" in overstory.rollup({})


@pytest.mark.parametrize(
    ("used", "allowed", "kind"), [(0, 3, "idle"), (2.5, 3, "warn"), (3, 3, "crit"), (1, 0, "idle")]
)
def test_a_meter_warns_before_it_is_full(used: float, allowed: float, kind: str) -> None:
    assert f'class="{kind}"' in overstory.meter(used, allowed)


def test_moments_are_machine_readable() -> None:
    at = datetime(2026, 11, 28, 16, 3, 5, tzinfo=UTC)
    assert 'datetime="2026-11-28T16:03:05+00:00"' in overstory.moment(at)
    assert ">28 Nov 16:03:05<" in overstory.day_moment(at)
    assert overstory.moment(at.timestamp()) == overstory.moment(at)
    assert overstory.UNKNOWN in overstory.moment(None)


def test_how_long_is_told_from_the_now_of_the_page() -> None:
    assert overstory.elapsed(100.0, 172.5) == "1m 12s"
    assert overstory.elapsed(None, 172.5) == overstory.UNKNOWN


def test_levels_have_tones() -> None:
    assert "state-crit" in overstory.level_glyph("trouble")
    assert "state-unknown" in overstory.level_glyph("unknown")


def test_a_link_keeps_the_other_parameters() -> None:
    request = RequestFactory().get("/processes", QueryDict("q=web&state=failed&cursor=abc").dict())
    html = Template("{% load overstory %}{% change_query state='running' cursor='' %}").render(
        Context({"request": request}, autoescape=False)
    )
    assert html == "?q=web&state=running"


def test_keys_and_lists_read_well() -> None:
    assert overstory.key_name("shop/front/web") == "web"
    assert overstory.key_path("shop/front/web") == "shop/front/"
    assert overstory.key_path("shop") == ""
    assert overstory.key_parent("shop/front/a/web") == "front/a"
    assert overstory.key_parent("shop/web") == ""
    assert overstory.words_or_text(["sleep", 5]) == "sleep 5"
    assert overstory.words(["a", "b", "c"]) == "a, b and c"
    assert overstory.words(["a"]) == "a"
    assert overstory.words(None) == ""
