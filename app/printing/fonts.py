"""The fonts of screen and paper: locked packages under the OFL, loaded from their files, never taken from
the system.

Noto Sans CJK for forms and the screen, Noto Serif SC for titles; the serif also steps in for a character
that the sans has not. `missing_characters` says before printing what no font can show. Only the `cmap` of
the files is read here (OpenType 1.9, tables `ttcf`, `cmap` formats 4 and 12).
"""

from __future__ import annotations

import struct
import unicodedata
from functools import cache
from pathlib import Path

import noto_cjk_sans_otc
import pylopdf_fonts_zh_cn
import typst

SANS = "Noto Sans CJK SC"
SERIF = "Noto Serif SC"

SANS_FILE = Path(noto_cjk_sans_otc.__file__).parent / noto_cjk_sans_otc.FONT_FILE
SERIF_FILE = pylopdf_fonts_zh_cn.serif_path()
FILES = (SANS_FILE, SERIF_FILE)
"""For Qt: `QFontDatabase.addApplicationFont` takes each as it is."""


@cache
def for_typst() -> typst.Fonts:
    """The fonts for a Typst compiler, which takes folders; read once."""
    folders = [str(file.parent) for file in FILES]
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
    assert {SANS, SERIF} <= set(found.families()), "a font package is damaged: Typst would print blank pages"
    return found


@cache
def characters() -> frozenset[int]:
    """Code points that at least one of the fonts has a glyph for."""
    return frozenset().union(*(read_cmap(file.read_bytes()) for file in FILES))


def missing_characters(text: str) -> tuple[str, ...]:
    """Characters of `text` that no font can show, each once, in their order.

    White space and the invisible joiners and selectors of Unicode need no glyph.
    """
    known = characters()
    return tuple(
        character
        for character in dict.fromkeys(text)
        if ord(character) not in known
        and not character.isspace()
        and unicodedata.category(character) != "Cf"
        and not unicodedata.name(character, "").startswith("VARIATION SELECTOR")
    )


def read_cmap(data: bytes) -> frozenset[int]:
    """Code points with a glyph in a font file, for a collection in its first font (all of ours share
    one set)."""
    start = _u32(data, 12) if data[:4] == b"ttcf" else 0
    tables = {}
    for place in range(start + 12, start + 12 + 16 * _u16(data, start + 4), 16):
        tables[data[place : place + 4]] = _u32(data, place + 8)
    cmap = tables[b"cmap"]
    found: set[int] = set()
    for place in range(cmap + 4, cmap + 4 + 8 * _u16(data, cmap + 2), 8):
        table = cmap + _u32(data, place + 4)
        form = _u16(data, table)
        if form == 12:
            found |= _format_12(data, table)
        elif form == 4:
            found |= _format_4(data, table)
    return frozenset(found)


def _format_12(data: bytes, table: int) -> set[int]:
    found: set[int] = set()
    for place in range(table + 16, table + 16 + 12 * _u32(data, table + 12), 12):
        first, last, glyph = struct.unpack_from(">III", data, place)
        found.update(range(first if glyph else first + 1, last + 1))
    return found


def _format_4(data: bytes, table: int) -> set[int]:
    count = _u16(data, table + 6) // 2
    ends = struct.unpack_from(f">{count}H", data, table + 14)
    starts = struct.unpack_from(f">{count}H", data, table + 16 + 2 * count)
    deltas = struct.unpack_from(f">{count}H", data, table + 16 + 4 * count)
    offsets_at = table + 16 + 6 * count
    offsets = struct.unpack_from(f">{count}H", data, offsets_at)
    found: set[int] = set()
    for i, (first, last, delta, offset) in enumerate(zip(starts, ends, deltas, offsets, strict=True)):
        for point in range(first, last + 1):
            if point == 0xFFFF:
                continue
            there = offsets_at + 2 * i + offset + 2 * (point - first)
            glyph = _u16(data, there) if offset else (point + delta) & 0xFFFF
            if glyph:
                found.add(point)
    return found


def _u16(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _u32(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 4], "big")
