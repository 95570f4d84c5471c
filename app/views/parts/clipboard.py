"""The clipboard: what this program put there goes when the person goes.

What another program put there is left alone: it is not ours to take.
"""

from __future__ import annotations

from typing import Protocol

from PySide6.QtGui import QClipboard


class Board(Protocol):
    """What is needed of `QClipboard`."""

    def ownsClipboard(self) -> bool: ...  # noqa: N802 - Qt's names

    def supportsSelection(self) -> bool: ...  # noqa: N802

    def ownsSelection(self) -> bool: ...  # noqa: N802

    def clear(self, mode: QClipboard.Mode, /) -> None: ...


def clear_ours(board: Board) -> bool:
    """Empty the clipboard, and the selection of X11, where they hold what was copied here; whether they did."""
    ours = board.ownsClipboard()
    if ours:
        board.clear(QClipboard.Mode.Clipboard)
    if board.supportsSelection() and board.ownsSelection():
        board.clear(QClipboard.Mode.Selection)
        ours = True
    return ours
