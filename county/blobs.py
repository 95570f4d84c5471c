"""Encrypted attachments on their way: files named by the SHA-256 of what they hold, resumable in chunks.

An offset is told only after the bytes below it are on the disk. At the end the whole is hashed: the name must be its
digest, else it is thrown away. A name says nothing of a person, and without its key in the log a file is noise.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.errors import CountyRefusal, VaultProblem
from app.sync.protocol import CHUNK

MAX_BLOB: Final = 33 * 1024 * 1024
MAX_CHUNK: Final = 16 * CHUNK
_NAME = re.compile("[0-9a-f]{64}")
_PART = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of a file is durable, and whether that is all of it."""

    offset: int
    complete: bool


class Blobs:
    """The files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()

    def extent(self, name: str) -> Extent:
        """What is here of the file `name` (64 hex digits). CountyRefusal("blob-name")."""
        whole, part = self._paths(name)
        try:
            if whole.exists():
                return Extent(offset=whole.stat().st_size, complete=True)
            return Extent(offset=part.stat().st_size if part.exists() else 0, complete=False)
        except OSError as error:
            raise VaultProblem("disk-error", number=error.errno) from error

    def append(self, name: str, offset: int, data: bytes, *, last: bool) -> Extent:
        """Put `data` at `offset`; durable on return. CountyRefusal("blob-offset", offset), ("blob-too-large", limit),
        ("blob-digest"), VaultProblem disk codes."""
        whole, part = self._paths(name)
        with self._turn:
            here = self.extent(name)
            if here.complete:
                return here
            if offset != here.offset:
                raise CountyRefusal("blob-offset", offset=here.offset)
            if offset + len(data) > MAX_BLOB or len(data) > MAX_CHUNK:
                raise CountyRefusal("blob-too-large", limit=MAX_BLOB // (1024 * 1024))
            try:
                self._write(part, offset, data)
                if not last:
                    return Extent(offset=offset + len(data), complete=False)
                return self._finish(name, whole, part)
            except OSError as error:
                raise _problem(error) from error

    def put(self, data: bytes) -> bytes:
        """Keep a whole file of the county's own; its SHA-256."""
        digest = hashlib.sha256(data).digest()
        name = digest.hex()
        with self._turn:
            whole, part = self._paths(name)
            try:
                if not whole.exists():
                    part.unlink(missing_ok=True)
                    self._write(part, 0, data)
                    self._finish(name, whole, part)
            except OSError as error:
                raise _problem(error) from error
        return digest

    def read(self, name: str) -> bytes:
        """A whole file. CountyRefusal("blob-unknown"), VaultProblem("attachment-damaged")."""
        whole, _ = self._paths(name)
        try:
            data = whole.read_bytes()
        except FileNotFoundError:
            raise CountyRefusal("blob-unknown") from None
        except OSError as error:
            raise _problem(error) from error
        if hashlib.sha256(data).hexdigest() != name:
            raise VaultProblem("attachment-damaged")
        return data

    def _write(self, part: Path, offset: int, data: bytes) -> None:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # Half a chunk that a full disk left behind is cut off again, so that a size always is a durable offset.
            os.ftruncate(handle, offset)
            os.lseek(handle, offset, os.SEEK_SET)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            except OSError:
                os.ftruncate(handle, offset)
                raise
        finally:
            os.close(handle)
        if offset == 0:
            self._sync_folder()

    def _finish(self, name: str, whole: Path, part: Path) -> Extent:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != name:
            part.unlink()
            raise CountyRefusal("blob-digest")
        part.replace(whole)
        self._sync_folder()
        return Extent(offset=whole.stat().st_size, complete=True)

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _paths(self, name: str) -> tuple[Path, Path]:
        if not _NAME.fullmatch(name):
            raise CountyRefusal("blob-name")
        return self._folder / name, self._folder / (name + _PART)


def _problem(error: OSError) -> VaultProblem:
    full = error.errno in (28, 122)  # ENOSPC, EDQUOT
    return VaultProblem("disk-full") if full else VaultProblem("disk-error", number=error.errno)
