"""What our processes bring with them: each only what it needs, which is most of the time that they take to start."""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.serving.loading import loading

ROOT = Path(__file__).resolve().parents[3]

PAGES = ("controlplane.urls", "controlplane.dashboard.framework")
REST = ("rest_framework.views", "drf_spectacular.openapi", "django.test", "controlplane.api.urls")
ADMIN = ("unfold.admin", "controlplane.admin.index")
LIBRARIES = ("jsonschema", "markdown_it", "opentelemetry.proto", "requests")
NODE = ("supervision.runtime.node",)
CELERYS_PROMPT = ("click_repl", "prompt_toolkit")

STOPPED = """
import json, os, runpy, sys
def stop(*_, **__):
    sys.stdout.write(json.dumps(sorted(sys.modules)))
    sys.stdout.flush()
    os._exit(0)
"""
UNTIL_SIGNALS = STOPPED + "import signal\nsignal.signal = stop\n"
FIRST_PAGE = (
    STOPPED
    + """
import uvicorn
def serve(*_):
    import controlplane.urls
    stop()
uvicorn.Server.run = serve
os.environ["LISTEN_FDS"] = "0"
"""
)
STARTS = {
    "beat": (UNTIL_SIGNALS, (*PAGES, *REST, *ADMIN, *LIBRARIES, *NODE)),
    "digester": (UNTIL_SIGNALS, (*PAGES, *REST, *ADMIN, *LIBRARIES, *NODE)),
    "controller": (UNTIL_SIGNALS, (*PAGES, *REST, *ADMIN, *LIBRARIES, *NODE)),
    "worker": (
        STOPPED + "from celery.worker import WorkController\nWorkController.start = stop\n",
        (*PAGES, *REST, *ADMIN, *LIBRARIES, *NODE, *CELERYS_PROMPT),
    ),
    "web": (FIRST_PAGE, (*REST, *ADMIN, *LIBRARIES, *NODE)),
}
"""Each stopped where it begins to do its work, the web process with the first page."""


@pytest.mark.parametrize("name", STARTS)
def test_a_process_imports_only_what_it_needs(name: str, data_dir: Path) -> None:
    begin, foreign = STARTS[name]
    program = f"{begin}runpy.run_module('controlplane.serving.{name}', run_name='__main__')"
    environment = {
        **os.environ, "DJANGO_SETTINGS_MODULE": "controlplane.settings", "OVERSTORY_DATA_DIR": str(data_dir),
    }  # fmt: skip
    made = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr.decode()
    brought = set(json.loads(made.stdout))
    assert "supervision.models" in brought
    assert not brought & set(foreign)


def test_the_collector_rests_while_a_process_loads_and_leaves_what_it_brought_alone() -> None:
    frozen = gc.get_freeze_count()
    try:
        with loading():
            assert not gc.isenabled()
            kept = [[number] for number in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= frozen + len(kept)
    finally:
        gc.unfreeze()


def test_the_collector_works_again_after_a_load_that_failed() -> None:
    try:
        with pytest.raises(RuntimeError), loading():
            raise RuntimeError
        assert gc.isenabled()
    finally:
        gc.unfreeze()
