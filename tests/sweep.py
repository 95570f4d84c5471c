"""Sweeping a disk for values that must not lie there in clear: every file, in every spelling a program might leave."""

from __future__ import annotations

import base64
import gzip
import sqlite3
import zipfile
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path

WINDOW = 8  # bytes of the middle of a Base64 spelling that do not depend on where the value stood


def spellings(value: str) -> Iterator[bytes]:
    """`value` as UTF-8, UTF-16, GB 18030, hexadecimal and Base64 (at each of its three alignments)."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "gb18030"):
        plain = value.encode(encoding)
        yield plain
        yield plain.hex().encode()
        yield plain.hex().upper().encode()
    plain = value.encode()
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + plain)
        yield coded[4:-4] if len(coded) > WINDOW + 8 else coded[4:]


def contents(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and of what is packed in it."""
    data = path.read_bytes()
    yield data
    if data.startswith(b"\x1f\x8b"):
        yield gzip.decompress(data)
    if zipfile.is_zipfile(BytesIO(data)):
        with zipfile.ZipFile(BytesIO(data)) as archive:
            for name in archive.namelist():
                yield archive.read(name)


def sweep(folders: Iterable[Path], markers: Iterable[str], *, chosen: Iterable[Path] = ()) -> list[str]:
    """Findings "file: marker" under `folders`; files the user chose to write are left out. Names count too."""
    needles = {marker: set(spellings(marker)) for marker in markers}
    spared = {path.resolve() for path in chosen}
    found: list[str] = []
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if not path.is_file() or path.resolve() in spared:
                continue
            place, packed = str(path.relative_to(folder)), list(contents(path))
            found.extend(
                f"{path}: {marker}"
                for marker, spelled in needles.items()
                if marker in place or any(needle in data for data in packed for needle in spelled)
            )
    return found


def plain_databases(folders: Iterable[Path]) -> list[str]:
    """Files under `folders` from which the standard sqlite3 reads anything."""
    files = (path for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())
    return [str(path) for path in files if path.stat().st_size and _opens(path)]


def _opens(path: Path) -> bool:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError:
        return False
    finally:
        connection.close()
    return True
