"""The browser's files: hashed names, compression, and serving with and without a collection."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory

from controlplane.assets.collecting import collect_assets
from controlplane.assets.middleware import static_files
from controlplane.assets.packages import package_directory
from supervision.runtime.paths import Paths

ROOT = Path(__file__).resolve().parents[3]


def other(_request: object) -> HttpResponse:
    return HttpResponse("a view")


def test_files_are_served_from_their_sources_before_anything_was_collected() -> None:
    handle = static_files(other)
    response = handle(RequestFactory().get("/static/css/tokens.css"))
    assert isinstance(response, HttpResponse)
    assert response.status_code == 200
    assert response["content-type"].startswith("text/css")
    assert b"--bg" in response.content


def test_the_fonts_of_the_admin_theme_are_ours_to_use() -> None:
    response = static_files(other)(RequestFactory().get("/static/fonts/Inter-Regular.woff2"))
    assert isinstance(response, HttpResponse)
    assert response.status_code == 200


def test_what_is_no_static_file_goes_to_the_views() -> None:
    response = static_files(other)(RequestFactory().get("/static/css/no-such.css"))
    assert isinstance(response, HttpResponse)
    assert response.content == b"a view"


@pytest.mark.asyncio
async def test_coroutine_views_stay_coroutines() -> None:
    async def view(_request: object) -> HttpResponse:
        return HttpResponse("an async view")

    handle = static_files(view)
    passed = await handle(AsyncRequestFactory().get("/other"))  # type: ignore[misc]  # async where the view is
    served = await handle(AsyncRequestFactory().get("/static/css/tokens.css"))  # type: ignore[misc]
    assert passed.content == b"an async view"
    assert served.status_code == 200


def test_collecting_hashes_compresses_and_is_done_once(tmp_path: Path) -> None:
    paths = Paths.from_environment(str(tmp_path / "data"))
    assert collect_assets(paths)
    assert not collect_assets(paths)
    root = paths.data_dir / "static"
    names = json.loads((root / "staticfiles.json").read_text())["paths"]
    tokens = root / names["css/tokens.css"]
    assert tokens.exists()
    assert tokens.with_name(tokens.name + ".br").exists()
    assert tokens.with_name(tokens.name + ".gz").exists()
    script = (
        "import django; django.setup()\n"
        "from django.templatetags.static import static; print(static('css/tokens.css'))"
    )
    environment = {**os.environ, "OVERSTORY_DATA_DIR": str(paths.data_dir)}
    environment["DJANGO_SETTINGS_MODULE"] = "controlplane.settings"
    shown = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert shown.strip() == f"/static/{names['css/tokens.css']}"


def test_collecting_needs_no_settings(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from supervision.runtime.paths import Paths\n"
        "from controlplane.assets.collecting import collect_assets\n"
        f"assert collect_assets(Paths.from_environment({str(tmp_path / 'data')!r}))"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, check=True)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(LookupError, match="no_such_package is not installed"):
        package_directory("no_such_package")
