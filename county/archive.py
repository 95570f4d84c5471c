"""Out of the county: the log as one file that anybody can check, and a copy of everything that is kept.

The export is written by `app.ledger.export`; the county adds nothing but what stands in its tables. A backup is the
encrypted database file as it lies on the disk, the attachments and the administrators' slots: without the key folder,
which is kept elsewhere, it is noise.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.errors import InputProblem, VaultProblem
from app.ledger import checkpoint as checkpoints
from app.ledger import export
from app.ledger.chain import ORIGIN
from app.ledger.export import Closing, Header
from app.ledger.verify import Report, Trusted, examine
from app.models.records.registry import KINDS
from app.models.store import Transaction, state_hash
from app.models.tables import ENTRY, PAYLOAD
from app.progress import Progress, Steps
from county.administration import ADMINISTRATORS, ATTACHMENTS, DATABASE, PUBLIC, County
from county.tables import CHECKPOINT

SLICE = 2_000
HOMES = {kind.number: kind.field(kind.home).number for kind in KINDS if kind.home is not None}


def export_log(county: County, path: Path) -> Steps[int]:
    """Write the whole log to `path`, which must not exist; the number of entries. InputProblem("file-exists"),
    VaultProblem disk codes."""
    beside = path.with_name(path.name + ".tmp")
    if path.exists():
        raise InputProblem("file-exists")
    with county.log.reading() as tx:
        size = county.log.tree.size
        written = 0
        try:
            with beside.open("xb") as file:
                for item in _items(county, tx):
                    file.write(item)
                    written += 1
                    if written % SLICE == 0:
                        yield Progress(done=min(written, size), of=size)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise VaultProblem("disk-error", number=error.errno) from error
        finally:
            beside.unlink(missing_ok=True)
    return size


def verify_log(county: County) -> Steps[Report]:
    """Examine the log as it lies in the database with the independent verifier; no file is written."""
    with county.log.reading() as tx:
        source = io.BufferedReader(_Stream(_items(county, tx)))
        report = yield from examine(source, Trusted.read(county.key.encode()))
    return report


class _Stream(io.RawIOBase):
    """Items as a file that is read from front to end."""

    def __init__(self, items: Iterator[bytes]) -> None:
        self._items = items
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._items, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


def _items(county: County, tx: Transaction) -> Iterator[bytes]:
    header = Header(
        entry=county.key.entry,
        signature=county.key.signature,
        origin=str(county.facts[ORIGIN]),
        size=county.log.tree.size,
        homes=HOMES,
    )
    streams, heads = county.log.heads()
    closing = Closing(streams=streams, heads=heads, fold=state_hash(tx))
    return export.write(header, _entries(tx), _checkpoints(tx, county), closing)


def _entries(tx: Transaction) -> Iterator[export.Sealed]:
    joined = ENTRY.join(PAYLOAD, PAYLOAD.c.id == ENTRY.c.id)
    start = 0
    while True:
        query = (
            select(ENTRY.c.data, ENTRY.c.signature, PAYLOAD.c.data.label("payload"))
            .select_from(joined)
            .where(ENTRY.c.position >= start, ENTRY.c.position < start + SLICE)
            .order_by(ENTRY.c.position)
        )
        rows = tx.execute(query).all()
        if not rows:
            return
        yield from ((row.data, row.signature, row.payload) for row in rows)
        start += SLICE


def _checkpoints(tx: Transaction, county: County) -> Iterator[tuple[int, bytes]]:
    origin = str(county.facts[ORIGIN])
    for row in tx.execute(select(CHECKPOINT).order_by(CHECKPOINT.c.size)):
        yield row.size, checkpoints.make(origin, row.size, row.root, county.keys.log_seed)


def back_up(county: County, target: Path) -> int:
    """Copy what the closed `county` keeps into the new folder `target` and compare every file; the number of files.

    InputProblem("file-exists"), VaultProblem("backup-differs", disk codes)."""
    if target.exists():
        raise InputProblem("file-exists")
    sources = [county.folder / DATABASE, county.folder / PUBLIC]
    for name in (ATTACHMENTS, ADMINISTRATORS):
        sources.extend(sorted(path for path in (county.folder / name).iterdir() if path.is_file()))
    try:
        target.mkdir(mode=0o700, parents=True)
        for source in sources:
            copy = target / source.relative_to(county.folder)
            copy.parent.mkdir(mode=0o700, exist_ok=True)
            shutil.copyfile(source, copy)
            copy.chmod(0o600)
            with copy.open("rb+") as file:
                os.fsync(file.fileno())
            if _digest(source) != _digest(copy):
                raise VaultProblem("backup-differs")
    except OSError as error:
        raise VaultProblem("disk-error", number=error.errno) from error
    return len(sources)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
