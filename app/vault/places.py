"""Where a vault may lie: on a disk of this computer, in a folder that nobody carries elsewhere.

A network drive breaks the two promises that SQLite needs (locks, and that what was synced stays), a synchronised folder
takes the file apart while it is written and puts personal data where they may not be. Both are refused when a vault is
made, by facts that are collected in one place (`look`) and judged in another (`problem_of`).
"""

from __future__ import annotations

import ctypes
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from app.errors import VaultProblem
from app.vault import disk

# File systems whose disk is another computer's. 9p and virtiofs are not among them: a virtual machine has its own disk
# by them.
NETWORK_SYSTEMS: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "ncp", "afs", "coda", "ceph", "glusterfs", "lustre", "davfs"}
    | {"fuse.sshfs", "fuse.rclone", "fuse.davfs2", "fuse.gvfsd-fuse", "fuse.glusterfs", "fuse.s3fs", "fuse.cifs"}
    | {"fuse.juicefs", "fuse.curlftpfs", "fuse.smbnetfs", "fuse.kio-fuse"}
)
DRIVE_REMOTE: Final = 4  # GetDriveTypeW of Windows

# Words that begin a folder's name, in lower case, and the product that makes such folders.
_CLOUD_FOLDERS: Final[tuple[tuple[str, str], ...]] = (
    ("onedrive", "OneDrive"),
    ("nutstore", "坚果云"),
    ("坚果云", "坚果云"),
    ("我的坚果云", "坚果云"),
    ("baidunetdisk", "百度网盘"),
    ("baidusyncdisk", "百度网盘"),
    ("baiduyun", "百度网盘"),
    ("百度网盘", "百度网盘"),
    ("百度云", "百度网盘"),
    ("dropbox", "Dropbox"),
    ("google drive", "Google Drive"),
    ("googledrive", "Google Drive"),
    ("icloud", "iCloud"),
    ("com~apple~clouddocs", "iCloud"),
    ("腾讯微云", "腾讯微云"),
    ("微云", "腾讯微云"),
    ("wps云盘", "WPS 云盘"),
    ("wps cloud files", "WPS 云盘"),
    ("wpsdrive", "WPS 云盘"),
    ("阿里云盘", "阿里云盘"),
    ("aliyundrive", "阿里云盘"),
    ("天翼云盘", "天翼云盘"),
    ("ecloud", "天翼云盘"),
    ("和彩云", "和彩云"),
    ("nextcloud", "Nextcloud"),
    ("owncloud", "ownCloud"),
    ("seafile", "Seafile"),
    ("resilio sync", "Resilio Sync"),
    ("mega", "MEGA"),
)
_WHOLE_NAMES: Final = frozenset({"mega"})  # too short to be only a beginning
# Files that a synchronising program leaves at the top of what it synchronises.
_CLOUD_MARKERS: Final[Mapping[str, str]] = {
    ".849c9593-d756-4e56-8d6e-42412f2a707b": "OneDrive",
    ".nutstore": "坚果云",
    ".nutstoresync": "坚果云",
    ".dropbox": "Dropbox",
    ".dropbox.cache": "Dropbox",
    ".tmp.drivedownload": "Google Drive",
    ".stfolder": "Syncthing",
    ".owncloudsync.log": "ownCloud",
    ".nextcloudsync.log": "Nextcloud",
    ".seafile-data": "Seafile",
    ".sync": "Resilio Sync",
}
_CLOUD_VARIABLES: Final = ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the system says of a folder: names on the way to it, the kind of its file system, whether its drive is
    another computer's, names of files in the folders above it, folders that the system says are synchronised, whether
    a file could be written."""

    path: PurePath
    system: str = ""
    remote: bool = False
    markers: frozenset[str] = frozenset()
    synchronised: tuple[PurePath, ...] = ()
    writable: bool = True


def problem_of(facts: Facts) -> VaultProblem | None:
    """Why no vault may lie there: VaultProblem("place-network" kind | "place-cloud" product | "folder-read-only")."""
    if facts.remote or facts.system.lower() in NETWORK_SYSTEMS or str(facts.path).startswith(("\\\\", "//")):
        return VaultProblem("place-network", kind=facts.system.removeprefix("fuse.") or "SMB")
    for part in facts.path.parts:
        name = part.lower()
        for word, product in _CLOUD_FOLDERS:
            if name == word or (name.startswith(word) and word not in _WHOLE_NAMES):
                return VaultProblem("place-cloud", product=product)
    for marker, product in _CLOUD_MARKERS.items():
        if marker in facts.markers:
            return VaultProblem("place-cloud", product=product)
    if any(facts.path.is_relative_to(above) for above in facts.synchronised):
        return VaultProblem("place-cloud", product="OneDrive")
    return None if facts.writable else VaultProblem("folder-read-only")


def look(folder: Path, environment: Mapping[str, str] = os.environ) -> Facts:
    """The facts about `folder`, which need not exist: then those of the nearest folder above it."""
    path = folder.expanduser().resolve()
    with disk.disk_errors():
        there = next(each for each in (path, *path.parents) if each.is_dir())
        above = [each for each in (there, *there.parents) if each.parent != each]
    return Facts(
        path=path,
        system=_system_of(there),
        remote=_is_remote(there),
        markers=frozenset(_markers_in(above)),
        synchronised=tuple(PurePath(environment[name]) for name in _CLOUD_VARIABLES if environment.get(name)),
        writable=_is_writable(there),
    )


def refuse_bad(folder: Path) -> None:
    """Raise what `problem_of` says of `folder`."""
    problem = problem_of(look(folder))
    if problem is not None:
        raise problem


def same_disk(one: Path, other: Path) -> bool:
    """Whether two existing folders lie on one disk, so far as the system says."""
    with disk.disk_errors():
        return one.stat().st_dev == other.stat().st_dev


def mounted_system(folder: PurePath, mounts: str) -> str:
    """The kind of file system of `folder` by the text of /proc/self/mountinfo (proc(5)); empty when none is named."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, found, after = line.partition(" - ")
        fields = before.split()
        if not found or len(fields) < 5:
            continue
        point = PurePath(_unescaped(fields[4]))
        # Of several mounts on one point the last is seen.
        if folder.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split()[0]
    return kind


def _unescaped(name: str) -> str:
    for octal, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        name = name.replace(octal, character)
    return name


def _system_of(folder: Path) -> str:
    if not sys.platform.startswith("linux"):
        return ""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    return mounted_system(folder, mounts)


def _is_remote(folder: Path) -> bool:
    windows = getattr(ctypes, "windll", None)
    return windows is not None and windows.kernel32.GetDriveTypeW(folder.anchor) == DRIVE_REMOTE


def _markers_in(folders: list[Path]) -> list[str]:
    found = []
    for folder in folders:
        for marker in _CLOUD_MARKERS:
            try:
                if (folder / marker).exists():
                    found.append(marker)
            except OSError:
                continue
    return found


def _is_writable(folder: Path) -> bool:
    """By writing: permission bits say nothing of what a virus scanner or a read-only disk allows."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return disk.problem_of(error).code != "folder-read-only"
