"""The clothes: every text can be read on its ground, every name has a glyph, digits are of one width."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PySide6.QtGui import QColor, QFontInfo, QFontMetrics, QRawFont
from PySide6.QtWidgets import QApplication

from app.views import theme
from app.views.theme import Palette

INKS = ("text", "second", "faint", "accent", "info", "warning", "danger")


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    ink = QColor(colour)
    linear = [
        part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
        for part in (ink.redF(), ink.greenF(), ink.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    """Contrast ratio by WCAG 2.2, 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(two)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=lambda palette: palette.name)
def test_every_text_can_be_read_on_its_ground(palette: Palette) -> None:
    pairs = [(ink, ground) for ink in INKS for ground in ("ground", "surface")]
    pairs += [(tone, f"{tone}_ground") for tone in ("accent", "info", "warning", "danger")]
    pairs += [("text", f"{tone}_ground") for tone in ("accent", "info", "warning", "danger")]
    pairs += [("second", "hover"), ("text", "selected"), ("text", "hover")]
    pairs += [("on_accent", "accent"), ("on_accent", "accent_hover")]
    weak = {
        pair: round(ratio, 2)
        for pair in pairs
        if (ratio := contrast(getattr(palette, pair[0]), getattr(palette, pair[1]))) < 4.5
    }
    assert weak == {}
    # Frames of fields and the focus ring are not text: 3:1 is enough.
    assert contrast(palette.strong_line, palette.surface) >= 3
    assert contrast(palette.accent, palette.ground) >= 3


def test_the_font_is_ours_and_draws_rare_names(dressed: QApplication) -> None:
    font = theme.body_font()
    assert QFontInfo(font).family() == "Noto Sans CJK SC"
    raw = QRawFont.fromFont(font)
    assert all(raw.glyphIndexesForString(name) for name in "㛃䶮𬱖𫰛𡈼𬴂龘㙍𣲗")
    widths = {QFontMetrics(font).horizontalAdvance(digit) for digit in "0123456789"}
    assert len(widths) == 1


@pytest.mark.parametrize("palette", [theme.LIGHT, theme.DARK], ids=lambda palette: palette.name)
def test_the_style_sheet_leaves_no_word_unfilled(palette: Palette) -> None:
    sheet = theme.style_sheet(palette)
    assert "$" not in sheet
    drawings = re.findall(r"url\((.*?)\)", sheet)
    assert drawings
    assert [name for name in drawings if not Path(name).exists()] == []
