"""Encrypted attachments: what went in comes out, or an error; nothing in between."""

from __future__ import annotations

import hashlib
import os
import random as chance
from pathlib import Path

import pytest

from app.vault import attachments
from tests.vault.conftest import code_of

PHOTO = b"\xff\xd8\xff\xe0 marker 99 " + bytes(range(256)) * 20


@pytest.mark.parametrize("plain", [b"", b"x", PHOTO, os.urandom(3_000_000)])
def test_what_went_in_comes_out(tmp_path: Path, plain: bytes) -> None:
    stored = attachments.store(tmp_path, plain, random=os.urandom)
    assert attachments.load(tmp_path, stored.name, key=stored.key, digest=stored.digest) == plain
    assert stored.size == len(plain)
    assert stored.digest == hashlib.sha256(plain).digest()
    assert stored.upload_digest == hashlib.sha256(attachments.read_sealed(tmp_path, stored.name)).digest()


def test_the_file_says_nothing(tmp_path: Path) -> None:
    one, two = (attachments.store(tmp_path, PHOTO, random=os.urandom) for _ in range(2))
    assert one.key != two.key
    assert one.upload_digest != two.upload_digest
    assert repr(one.key) not in repr(one)
    for stored in (one, two):
        data = (tmp_path / stored.name).read_bytes()
        assert b"marker" not in data
        assert stored.digest.hex() not in stored.name
        assert stored.key not in data
    assert len(list(tmp_path.iterdir())) == 2


def test_no_flipped_bit_and_no_cut_goes_through(tmp_path: Path) -> None:
    stored = attachments.store(tmp_path, PHOTO, random=os.urandom)
    path = tmp_path / stored.name
    good = path.read_bytes()
    dice = chance.Random(74)
    for bit in [*range(0, 48 * 8, 5), *(dice.randrange(len(good) * 8) for _ in range(200))]:
        flipped = bytearray(good)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert (
            code_of(attachments.load, tmp_path, stored.name, key=stored.key, digest=stored.digest)
            == "attachment-damaged"
        )
    for data in (b"", good[:10], good[:32], good[:47], good[:-1], good + b"x"):
        path.write_bytes(data)
        assert (
            code_of(attachments.load, tmp_path, stored.name, key=stored.key, digest=stored.digest)
            == "attachment-damaged"
        )


def test_another_key_and_another_picture_are_refused(tmp_path: Path) -> None:
    one = attachments.store(tmp_path, PHOTO, random=os.urandom)
    two = attachments.store(tmp_path, PHOTO + b"!", random=os.urandom)
    for name, key, digest in (
        (one.name, two.key, one.digest),
        (two.name, two.key, one.digest),
        (one.name, one.key, two.digest),
    ):
        assert code_of(attachments.load, tmp_path, name, key=key, digest=digest) == "attachment-damaged"


def test_what_comes_from_the_county_must_be_what_was_asked_for(tmp_path: Path) -> None:
    key, sealed = attachments.seal(PHOTO, random=os.urandom)
    digest = hashlib.sha256(sealed).digest()
    name = attachments.accept(tmp_path, sealed, upload_digest=digest, random=os.urandom)
    assert attachments.load(tmp_path, name, key=key, digest=hashlib.sha256(PHOTO).digest()) == PHOTO
    assert (
        code_of(attachments.accept, tmp_path, sealed + b"x", upload_digest=digest, random=os.urandom)
        == "attachment-damaged"
    )


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../slots.cbor", "a" * 31, "A" * 32, "g" * 32, "a" * 32 + "\n", "/" + "a" * 31]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "attachments").mkdir()
    (tmp_path / "slots.cbor").write_bytes(b"x")
    assert code_of(attachments.read_sealed, tmp_path / "attachments", name) == "attachment-missing"
    assert code_of(attachments.discard, tmp_path / "attachments", name) == "attachment-missing"
    assert (tmp_path / "slots.cbor").exists()


def test_a_missing_file_and_one_that_is_too_large_are_told(tmp_path: Path) -> None:
    stored = attachments.store(tmp_path, PHOTO, random=os.urandom)
    attachments.discard(tmp_path, stored.name)
    attachments.discard(tmp_path, stored.name)
    assert code_of(attachments.read_sealed, tmp_path, stored.name) == "attachment-missing"
    too_large = bytes(attachments.MAX_BYTES + 1)
    assert code_of(attachments.store, tmp_path, too_large, random=os.urandom) == "attachment-too-large"
    assert list(tmp_path.iterdir()) == []
