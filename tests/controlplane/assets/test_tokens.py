"""Contrast of the colours in both themes, by WCAG 2.2's formula."""

import re
from pathlib import Path

import pytest

TOKENS = Path(__file__).resolve().parents[3] / "static" / "css" / "tokens.css"
_BLOCK = re.compile(r"([^{}]+)\{([^{}]*)\}")
_COLOUR = re.compile(r"--([a-z0-9-]+):\s*(#[0-9a-f]{6});")


def blocks() -> list[tuple[str, dict[str, str]]]:
    """(selector, colours) of each rule that sets a background."""
    found = []
    for selector, body in _BLOCK.findall(TOKENS.read_text()):
        colours = dict(_COLOUR.findall(body))
        if "bg" in colours:
            found.append((selector.strip().splitlines()[-1].strip(), colours))
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


LIGHT, SYSTEM_DARK, DARK = (colours for _, colours in blocks())
SURFACES = ("bg", "panel", "raised", "hover", "selected")
STATES = ("ok", "busy", "warn", "crit", "idle")


def test_dark_is_the_same_by_choice_and_by_system() -> None:
    assert SYSTEM_DARK == DARK
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("surface", SURFACES)
class TestText:
    @pytest.mark.parametrize("ink", ["text", "text-2", "accent"])
    def test_reads_at_4_5_to_1_on_every_surface(
        self, colours: dict[str, str], surface: str, ink: str
    ) -> None:
        assert contrast(colours[ink], colours[surface]) >= 4.5

    def test_quiet_text_is_readable_on_page_and_panel(self, colours: dict[str, str], surface: str) -> None:
        least = 4.5 if surface in ("bg", "panel") else 4.0
        assert contrast(colours["text-3"], colours[surface]) >= least


@pytest.mark.parametrize("surface", ["bg", "panel"])
@pytest.mark.parametrize("state", STATES)
def test_state_colours_are_seen_on_page_and_panel(state: str, surface: str) -> None:
    assert contrast(DARK[state], DARK[surface]) >= 4.5
    assert contrast(LIGHT[state], LIGHT[surface]) >= 3.0


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_a_main_button_can_be_read(colours: dict[str, str]) -> None:
    assert contrast(colours["on-accent"], colours["accent"]) >= 4.5
