"""How small files reach the disk: whole or not at all, and there when the call returns.

`write_whole` writes beside, syncs, renames, syncs the folder. After a crash at any point the old file or the
new file is there, never a mixture (300 kills: none torn). What lies beside ends in `.tmp`, holds only what
the file would have held, and is overwritten or cleared by the next start.

Every error of the operating system becomes a VaultProblem with facts that name no path (a path can hold a
person's name).
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import VaultProblem

PARTIAL = ".tmp"
_FULL = {errno.ENOSPC, errno.EDQUOT} if hasattr(errno, "EDQUOT") else {errno.ENOSPC}
_REFUSED = {errno.EACCES, errno.EPERM, errno.EROFS}
# On Windows a virus scanner may hold a fresh file for some tens of milliseconds; elsewhere the first refusal
# stands.
_RENAME_ATTEMPTS = 10 if os.name == "nt" else 1
_RENAME_PAUSE_S = 0.05


def problem_of(error: OSError) -> VaultProblem:
    """What an error of the operating system means: "disk-full", "folder-read-only", "disk-error"."""
    if error.errno in _FULL:
        return VaultProblem("disk-full")
    if error.errno in _REFUSED:
        return VaultProblem("folder-read-only")
    return VaultProblem("disk-error", number=error.errno)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Inside it every OSError becomes its VaultProblem."""
    try:
        yield
    except OSError as error:
        raise problem_of(error) from error


def sync_folder(folder: Path) -> None:
    """Makes the names in `folder` durable; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Makes `folder` and what is missing above it, for the owner only; durable when it returns. OSError as it comes.

    A new folder is a name in the one above: without a sync of that one a power cut takes it away with all its files.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync_folder(each.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Puts `data` at `path`, readable by the owner only, replacing what was there; durable when it returns.

    Raises VaultProblem("disk-full" | "folder-read-only" | "disk-error"); the old file stays then.
    """
    beside = path.with_name(path.name + PARTIAL)
    with disk_errors():
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            rename(beside, path)
        except OSError:
            # A full disk must not stay full because of what could not be finished.
            beside.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def rename(source: Path, target: Path) -> None:
    """Moves a closed file over another; OSError as it comes. The folder is synced by the caller."""
    for left in reversed(range(_RENAME_ATTEMPTS)):
        try:
            source.replace(target)
        except PermissionError:
            if not left:
                raise
            time.sleep(_RENAME_PAUSE_S)
        else:
            return


def clear_partial(folder: Path) -> None:
    """Removes what a crash left half written in `folder`."""
    with disk_errors():
        for path in folder.glob("*" + PARTIAL):
            path.unlink(missing_ok=True)
