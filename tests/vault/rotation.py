"""What the tests of renewed keys share: the colleague's password, and what may lie in a vault's folder."""

from __future__ import annotations

from pathlib import Path

from app.vault.slotfile import FILE_NAMES
from app.vault.vault import ATTACHMENTS, DATABASE

THEIRS = "of the colleague"


def left_over(folder: Path) -> set[str]:
    """Names in the folder of a locked vault that do not belong there."""
    return {path.name for path in folder.iterdir()} - {DATABASE, ATTACHMENTS, *FILE_NAMES}
