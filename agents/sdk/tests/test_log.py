"""Log lines: JSON, whole, and never a reason to fail."""

import json
import logging
from typing import Any

import pytest
from overstory import log


def written(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().err.splitlines()]


def test_a_line_has_its_level_its_fields_and_who_said_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERSTORY_CHILD", "shop/trader")
    monkeypatch.setenv("OVERSTORY_INCARNATION", "3")
    log.info("order filled", order=7, at="elsewhere", what={"a": [1, 2]})
    log.warning("multi\nline é")
    first, second = written(capfd)
    assert first.pop("at") > 1_000_000_000
    assert first == {
        "level": "info", "message": "order filled", "order": 7, "at_": "elsewhere", "what": {"a": [1, 2]},
        "child": "shop/trader", "incarnation": 3,
    }  # fmt: skip
    assert (second["level"], second["message"]) == ("warning", "multi\nline é")


def test_nothing_that_is_given_makes_it_fail(capfd: pytest.CaptureFixture[str]) -> None:
    circle: list[Any] = []
    circle.append(circle)
    log.error("circle", circle=circle)
    log.error("thing", thing=object(), keys={(1, 2): 3}, bad="\udcff")
    log.error("x" * 200_000)
    try:
        raise RuntimeError("boom")
    except RuntimeError:
        log.exception("failed")
    lines = written(capfd)
    assert len(lines) == 4
    assert "RuntimeError: boom" in lines[3]["traceback"]
    assert len(lines[2]["message"]) < 10_000
    with pytest.raises(ValueError, match="no level"):
        log.write("loud", "x")


def test_records_of_logging_come_out_the_same_way(capfd: pytest.CaptureFixture[str]) -> None:
    logger = logging.Logger("shop.orders")
    logger.addHandler(log.handler())
    logger.info("filled %s", 7, extra={"order": 7})
    logger.log(35, "between")
    first, second = written(capfd)
    assert (first["level"], first["message"], first["order"], first["logger"]) == (
        "info",
        "filled 7",
        7,
        "shop.orders",
    )
    assert second["level"] == "warning"
