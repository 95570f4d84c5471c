"""Where things are on this computer, and which program this is.

One folder holds everything: `HUDANG_HOME` when it is set, else what the platform offers for programs' own data. In it
lies a folder for each workplace (a vault), named by chance, their backups, and `settings.ini` with window sizes, the
look, and the names of workplaces; nothing personal.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

BUILD: Final = 1
"""Goes up with every release; stands in every entry that this program signs."""

WORKPLACES: Final = "workplaces"
BACKUPS: Final = "backups"
SETTINGS: Final = "settings.ini"


def version() -> str:
    """Version of the program, as installed."""
    try:
        return metadata.version("hudang")
    except metadata.PackageNotFoundError:
        return f"build {BUILD}"


def home(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The folder of everything that is kept on this computer; it need not exist."""
    if chosen := environment.get("HUDANG_HOME"):
        return Path(chosen).expanduser().absolute()
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "Hudang"
    return Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "hudang"


def settings_file(folder: Path) -> Path:
    """The file of small settings in `folder`."""
    return folder / SETTINGS


def workplaces(folder: Path) -> list[Path]:
    """The vaults under `folder`, by name. A folder counts when anything of a vault is there, either slot file or the
    database: a damaged vault is shown and its damage told, never taken for a missing one."""
    holder = folder / WORKPLACES
    if not holder.is_dir():
        return []
    return sorted(
        place
        for place in holder.iterdir()
        if place.is_dir() and any(map(any, (place.glob("slots*.cbor"), place.glob("vault.db"))))
    )


def backups(folder: Path) -> Path:
    """Where the backups lie that this computer keeps; it need not exist."""
    return folder / BACKUPS


def new_workplace(folder: Path, name: bytes) -> Path:
    """Where a new vault goes; `name` is random (16 bytes)."""
    return folder / WORKPLACES / name.hex()
