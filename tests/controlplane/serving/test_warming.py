"""After warming, a first page imports no routes and reads no template; what cannot be read ends nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import override_settings

from controlplane.serving.warming import warm

ROOT = Path(__file__).resolve().parents[3]
WARMED = """
import json, sys
import django
django.setup()
from django.template.engine import Engine
from controlplane.serving.warming import warm
page = "controlplane.dashboard.pages.overview"
before = page in sys.modules
warm().join()
caches = [getattr(loader, "get_template_cache", {}) for loader in Engine.get_default().template_loaders]
print(json.dumps([before, page in sys.modules, sorted({str(name) for cache in caches for name in cache})]))
"""


def test_routes_are_imported_and_templates_read_ahead(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        "OVERSTORY_DATA_DIR": str(tmp_path),
    }
    told = subprocess.run(
        [sys.executable, "-c", WARMED], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    before, after, known = json.loads(told.stdout)
    assert (before, after) == (False, True)
    assert {"dashboard/base.html", "dashboard/overview.html"} <= set(known), told.stderr


def test_a_template_that_is_broken_is_said_and_ends_nothing(
    tmp_path: Path, settings: LazySettings, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "broken.html").write_text("{% nothing %}")
    with override_settings(TEMPLATES=[{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]):
        warm().join()
    assert "the first page will take longer" in caplog.text
