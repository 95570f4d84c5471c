"""The QR code of a household card as a drawing with exact measures.

ISO/IEC 18004, error correction Q, byte mode, mask 3 always (choosing the best of eight masks takes eight
times as long and gains nothing a reader can measure). The symbol is drawn as one outline, so that no hair
line can show between modules at any resolution; around it lies the quiet zone of four modules.
"""

from __future__ import annotations

from functools import lru_cache

import qrcode
from qrcode.constants import ERROR_CORRECT_Q

MASK = 3
QUIET_MODULES = 4
PRINTED_MM = 35.0
"""Side of the symbol without its quiet zone. 30 mm fails at 3 pixels of blur with payloads of this length."""

Matrix = tuple[tuple[bool, ...], ...]


@lru_cache(maxsize=1024)
def matrix(text: str) -> Matrix:
    """The modules of the code of `text`, rows from the top, True is dark; without quiet zone."""
    symbol = qrcode.QRCode(error_correction=ERROR_CORRECT_Q, border=0, mask_pattern=MASK)
    symbol.add_data(text.encode("utf-8"), optimize=0)
    symbol.make(fit=True)
    return tuple(tuple(bool(module) for module in row) for row in symbol.modules)


@lru_cache(maxsize=1024)
def svg(text: str, side_mm: float = PRINTED_MM) -> str:
    """The code as SVG; the symbol is `side_mm` wide, the drawing is wider by the quiet zone, see
    `whole_mm`."""
    modules = matrix(text)
    size = len(modules)
    extent = size + 2 * QUIET_MODULES
    whole = whole_mm(text, side_mm)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:.4f}mm" height="{whole:.4f}mm" '
        f'viewBox="{-QUIET_MODULES} {-QUIET_MODULES} {extent} {extent}">'
        f'<path fill="#000" fill-rule="evenodd" d="{_outline(modules)}"/></svg>'
    )


def whole_mm(text: str, side_mm: float = PRINTED_MM) -> float:
    """Width of the drawing with its quiet zone, for a symbol of `side_mm`."""
    size = len(matrix(text))
    return side_mm * (size + 2 * QUIET_MODULES) / size


def _outline(modules: Matrix) -> str:
    """The border of the dark modules as closed paths: directed edges with dark on the right, joined end
    to start."""
    size = len(modules)

    def dark(row: int, column: int) -> bool:
        return 0 <= row < size and 0 <= column < size and modules[row][column]

    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row in range(size):
        for column in range(size):
            if not modules[row][column]:
                continue
            if not dark(row - 1, column):
                edges.setdefault((column, row), []).append((column + 1, row))
            if not dark(row, column + 1):
                edges.setdefault((column + 1, row), []).append((column + 1, row + 1))
            if not dark(row + 1, column):
                edges.setdefault((column + 1, row + 1), []).append((column, row + 1))
            if not dark(row, column - 1):
                edges.setdefault((column, row + 1), []).append((column, row))
    parts = []
    while edges:
        start = here = next(iter(edges))
        parts.append(f"M{start[0]} {start[1]}")
        direction = ""
        while True:
            ends = edges[here]
            there = ends.pop()
            if not ends:
                del edges[here]
            step = "H" if there[1] == here[1] else "V"
            if step == direction:
                parts.pop()
            parts.append(f"{step}{there[0] if step == 'H' else there[1]}")
            direction, here = step, there
            if here == start:
                break
        parts.append("Z")
    return "".join(parts)
