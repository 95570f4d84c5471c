"""Attachments as files of their own: each encrypted with its own random key, under a random name.

- The key, the SHA-256 of the plain bytes and their size go into the log with the attachment's record; when
  they are erased there, the picture is erased everywhere (a file without its key is noise).
- The encrypted bytes are also what travels; their SHA-256 names them at the county.
- File: HEADER ‖ 12-byte nonce ‖ AES-256-GCM, with header and nonce bound. It is opened whole or not at all;
  an attachment is at most 32 MiB, so nothing is gained by pieces.
- Nothing of a file name, a type or a person stands outside the encryption. Number and size of the attachments
  do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.errors import InputProblem, VaultProblem
from app.vault import disk

HEADER = b"hudang-attachment/1\n"
KEY_BYTES = 32
NONCE_BYTES = 12
MAX_BYTES = 32 * 1024 * 1024
_OVERHEAD = len(HEADER) + NONCE_BYTES + 16
_NAME = re.compile("[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAttachment:
    """A file on this disk: local name, key, SHA-256 and size of the plain bytes, SHA-256 of the file."""

    name: str
    key: bytes = field(repr=False)
    digest: bytes
    size: int
    upload_digest: bytes


def seal(plain: bytes, *, random: Callable[[int], bytes]) -> tuple[bytes, bytes]:
    """(key, encrypted bytes) of `plain`. Raises InputProblem("attachment-too-large", limit in MiB)."""
    if len(plain) > MAX_BYTES:
        raise InputProblem("attachment-too-large", limit=MAX_BYTES // (1024 * 1024))
    key = random(KEY_BYTES)
    bound = HEADER + random(NONCE_BYTES)
    return key, bound + AESGCM(key).encrypt(bound[len(HEADER) :], plain, bound)


def unseal(sealed: bytes, key: bytes, digest: bytes) -> bytes:
    """The plain bytes, whose SHA-256 is `digest`; VaultProblem("attachment-damaged") for anything else."""
    bound = sealed[: len(HEADER) + NONCE_BYTES]
    if not sealed.startswith(HEADER) or not _OVERHEAD <= len(sealed) <= MAX_BYTES + _OVERHEAD:
        raise VaultProblem("attachment-damaged")
    try:
        plain = AESGCM(key).decrypt(bound[len(HEADER) :], sealed[len(bound) :], bound)
    except InvalidTag:
        raise VaultProblem("attachment-damaged") from None
    if hashlib.sha256(plain).digest() != digest:
        raise VaultProblem("attachment-damaged")
    return plain


def store(folder: Path, plain: bytes, *, random: Callable[[int], bytes]) -> StoredAttachment:
    """Encrypts `plain` into a new file in `folder`; durable when it returns. As `seal`, and disk codes."""
    key, sealed = seal(plain, random=random)
    return StoredAttachment(
        name=_put(folder, sealed, random),
        key=key,
        digest=hashlib.sha256(plain).digest(),
        size=len(plain),
        upload_digest=hashlib.sha256(sealed).digest(),
    )


def accept(folder: Path, sealed: bytes, *, upload_digest: bytes, random: Callable[[int], bytes]) -> str:
    """Keeps encrypted bytes that came from the county and gives their local name.

    VaultProblem("attachment-damaged") when they are not the ones that were asked for.
    """
    if hashlib.sha256(sealed).digest() != upload_digest:
        raise VaultProblem("attachment-damaged")
    return _put(folder, sealed, random)


def load(folder: Path, name: str, *, key: bytes, digest: bytes) -> bytes:
    """The plain bytes of a file; VaultProblem("attachment-missing" | "attachment-damaged", disk codes)."""
    return unseal(read_sealed(folder, name), key, digest)


def read_sealed(folder: Path, name: str) -> bytes:
    """The encrypted bytes of a file, as they travel; VaultProblem as `load`."""
    path = _path(folder, name)
    with disk.disk_errors():
        try:
            if path.stat().st_size > MAX_BYTES + _OVERHEAD:
                raise VaultProblem("attachment-damaged")
            return path.read_bytes()
        except FileNotFoundError:
            raise VaultProblem("attachment-missing") from None


def discard(folder: Path, name: str) -> None:
    """Removes a file that nothing refers to; one that is already gone is no error."""
    with disk.disk_errors():
        _path(folder, name).unlink(missing_ok=True)


def _put(folder: Path, sealed: bytes, random: Callable[[int], bytes]) -> str:
    name = random(16).hex()
    disk.write_whole(folder / name, sealed)
    return name


def _path(folder: Path, name: str) -> Path:
    """Names are ours, but they come back from tables and other programs: nothing else is ever a path."""
    if not _NAME.fullmatch(name):
        raise VaultProblem("attachment-missing")
    return folder / name
