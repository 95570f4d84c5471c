"""Attachments on their way: encrypted files by the SHA-256 of their bytes, in pieces, from wherever they were cut off.

The county says how many bytes are durable, and only it says when the whole is there: nothing is marked delivered
before. A file that is lost or damaged on this disk is left aside and counted; it does not hold up the others.
"""

from __future__ import annotations

import hashlib
from typing import Final

from app.errors import CountyRefusal, TransportProblem, VaultProblem
from app.ledger.act import Random
from app.progress import Progress, Steps
from app.sync.protocol import CHUNK
from app.sync.transport import County
from app.text import tr
from app.vault import kept
from app.vault.vault import Vault

PATIENCE: Final = 3  # times that the county may have another offset than it said before, for one file
_GONE: Final = ("attachment-missing", "attachment-damaged")
_AGAIN: Final = ("blob-offset", "blob-digest")


def upload(vault: Vault, county: County) -> Steps[tuple[int, int]]:
    """Bring what the county does not have; (files brought, files that cannot be read here)."""
    with vault.reading() as tx:
        waiting = kept.undelivered_files(tx)
    brought = broken = 0
    for done, (key, name) in enumerate(waiting):
        yield Progress(done=done * 100, of=len(waiting) * 100, doing=tr("正在上传照片"))
        try:
            sealed = vault.sealed_attachment(name)
        except VaultProblem as problem:
            if problem.code not in _GONE:
                raise
            broken += 1
            continue
        if hashlib.sha256(sealed).digest() != key:
            broken += 1
            continue
        for part in _bring(county, key, sealed):
            share = done * 100 + part.done * 100 // part.of
            yield Progress(done=share, of=len(waiting) * 100, doing=tr("正在上传照片"))
        with vault.transaction() as tx:
            kept.put_file(tx, key, name, delivered=True)
        brought += 1
    return brought, broken


def _bring(county: County, key: bytes, sealed: bytes) -> Steps[None]:
    """Send one file from where the county has it; yields after each piece."""
    offset, complete = county.blob_offset(key)
    surprises = 0
    while not complete:
        chunk = sealed[offset : offset + CHUNK]
        at = offset + len(chunk)
        try:
            offset, complete = county.put_blob(key, offset, chunk, last=at == len(sealed))
        except CountyRefusal as refusal:
            if refusal.code not in _AGAIN:
                raise
            offset, complete = county.blob_offset(key)
        if not complete and (offset != at or at == len(sealed)):
            # Another piece came in between, or what lay there was not the beginning of this file.
            surprises += 1
            if surprises > PATIENCE or offset > len(sealed):
                raise TransportProblem("upload-stuck")
        yield Progress(done=min(offset, len(sealed)), of=len(sealed))


def fetch(vault: Vault, county: County, key: bytes, *, random: Random) -> str:
    """The local name of the file with SHA-256 `key`, brought from the county where it is not here.

    CountyRefusal when the county does not have it, VaultProblem("attachment-damaged") when it is not what was asked."""
    with vault.reading() as tx:
        name = kept.file_name(tx, key)
    if name is not None and _is_whole(vault, name, key):
        return name
    fetched = vault.accept_attachment(county.blob(key), upload_digest=key, random=random)
    with vault.transaction() as tx:
        kept.put_file(tx, key, fetched, delivered=True)
    return fetched


def _is_whole(vault: Vault, name: str, key: bytes) -> bool:
    try:
        return hashlib.sha256(vault.sealed_attachment(name)).digest() == key
    except VaultProblem as problem:
        if problem.code not in _GONE:
            raise
        return False
