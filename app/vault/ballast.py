"""The ballast: a file of nothing that is given up when the disk is full.

On a full disk reading goes on and every save fails, also the one that would delete something (security.md 0.3). Giving
the ballast up makes room at once, so that open work can be saved and reported; it is made again when there is plenty.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from app.progress import Progress, Steps
from app.vault import disk

NAME: Final = "ballast"
SIZE: Final = 64 * 1024 * 1024
PLENTY: Final = 4  # made only where this many times its size is free
_PIECE: Final = 1024 * 1024


def size_of(folder: Path) -> int:
    """Bytes that giving up the ballast in `folder` would free."""
    with disk.disk_errors():
        try:
            return (folder / NAME).stat().st_size
        except FileNotFoundError:
            return 0


def free_room(folder: Path) -> int:
    """Bytes that may still be written on the disk of `folder`."""
    with disk.disk_errors():
        return shutil.disk_usage(folder).free


def keep(folder: Path, *, size: int = SIZE) -> Steps[bool]:
    """Make the ballast where there is plenty of room; whether it is there. Random bytes: a disk that packs or shares
    what is alike would give nothing back for them."""
    if size_of(folder) >= size:
        return True
    if free_room(folder) < PLENTY * size:
        return False
    path = folder / NAME
    beside = path.with_name(NAME + disk.PARTIAL)
    with disk.disk_errors():
        try:
            with beside.open("wb") as file:
                for at in range(0, size, _PIECE):
                    file.write(os.urandom(min(_PIECE, size - at)))
                    yield Progress(done=min(at + _PIECE, size), of=size)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    return True


def give_up(folder: Path) -> int:
    """Free the room of the ballast in `folder`: the bytes freed, 0 when there was none."""
    freed = size_of(folder)
    with disk.disk_errors():
        for name in (NAME, NAME + disk.PARTIAL):
            (folder / name).unlink(missing_ok=True)
    return freed
