"""The gallery in docs/ shows what was drawn, and nothing else."""

import re

from tests.support import gallery
from tests.support.browser import ROOT

DOCS = ROOT / "docs"
DRAWN = DOCS / "images" / "gallery"


def test_the_page_of_the_gallery_is_what_the_script_writes_of_what_was_drawn() -> None:
    text = (DOCS / "gallery.md").read_text()
    assert text == gallery.page_of_all(DRAWN)
    shown = {DOCS / path for path in re.findall(r'src="([^"]+)"', text)}
    assert shown == set(DRAWN.glob("*.webp"))


def test_pictures_have_names_of_their_own_and_are_small() -> None:
    names = [shot.name for shot in gallery.EVERY]
    assert len(set(names)) == len(names)
    assert sum(path.stat().st_size for path in DRAWN.iterdir()) < 8_000_000
