"""Attachments on their way: cut anywhere, never half, never wrong, never for strangers."""

from __future__ import annotations

import hashlib
import os

import pytest

from app.errors import CountyRefusal
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.records.fieldwork import ATTACHMENT
from app.sync.protocol import CHUNK
from county.administration import ATTACHMENTS
from county.blobs import MAX_BLOB, Blobs
from tests.county.conftest import Site
from tests.county.laptop import Laptop

SIZE = 3 * CHUNK + 77


def send(laptop: Laptop, data: bytes, *, stop: int = 2**62) -> int:
    """Upload from where the county has it; how many pieces were sent before `stop` bytes."""
    wire, key, pieces = laptop.wire, hashlib.sha256(data).digest(), 0
    offset, complete = wire.blob_offset(key)
    while not complete and offset < stop:
        chunk = data[offset : offset + CHUNK]
        offset, complete = wire.put_blob(key, offset, chunk, last=offset + len(chunk) == len(data))
        pieces += 1
    wire.close()
    return pieces


@pytest.mark.parametrize("cut", [CHUNK, 2 * CHUNK, 3 * CHUNK])
def test_an_upload_goes_on_where_it_was_cut(site: Site, laptop: Laptop, cut: int) -> None:
    data = os.urandom(SIZE)
    name = hashlib.sha256(data).hexdigest()
    assert send(laptop, data, stop=cut) == cut // CHUNK
    part = site.county.folder / ATTACHMENTS / f"{name}.part"
    assert part.stat().st_size == cut
    assert send(laptop, data) == 4 - cut // CHUNK
    assert (site.county.folder / ATTACHMENTS / name).read_bytes() == data
    assert not part.exists()
    assert send(laptop, data) == 0


def test_a_wrong_offset_is_told_the_right_one(laptop: Laptop) -> None:
    data = os.urandom(SIZE)
    key = hashlib.sha256(data).digest()
    send(laptop, data, stop=CHUNK)
    with pytest.raises(CountyRefusal) as refused:
        laptop.wire.put_blob(key, 0, data[:CHUNK], last=False)
    assert (refused.value.code, refused.value.facts["offset"]) == ("blob-offset", CHUNK)


def test_a_file_that_is_not_what_its_name_says_is_thrown_away(laptop: Laptop) -> None:
    data = os.urandom(100)
    key = hashlib.sha256(data).digest()
    with pytest.raises(CountyRefusal, match="blob-digest"):
        laptop.wire.put_blob(key, 0, data[:-1] + b"\0", last=True)
    assert laptop.wire.blob_offset(key) == (0, False)
    assert send(laptop, data) == 1


def test_a_file_is_given_only_to_who_holds_its_record(site: Site, laptop: Laptop) -> None:
    data = os.urandom(1000)
    key = hashlib.sha256(data).digest()
    send(laptop, data)
    with pytest.raises(CountyRefusal, match="blob-unknown"):
        laptop.wire.blob(key)
    home = laptop.new_household({"villager_group": "一组", "grid": site.area("云台镇/上坝村/第一网格")})
    values = {"household": home, "attachment_kind": "PHOTO", "upload_key": key}
    numbered = {0: True, **{ATTACHMENT.field(name).number: value for name, value in values.items()}}
    said = Said(kind=ATTACHMENT.number, object=os.urandom(16), values=numbered)
    laptop.act(home, [said], Act.ATTACH)
    laptop.send(0)
    assert laptop.wire.blob(key) == data


def test_the_largest_file_is_bounded(site: Site) -> None:
    blobs = Blobs(site.county.folder / ATTACHMENTS)
    name = hashlib.sha256(b"x").hexdigest()
    part = site.county.folder / ATTACHMENTS / f"{name}.part"
    with part.open("wb") as file:
        file.truncate(MAX_BLOB)
    with pytest.raises(CountyRefusal, match="blob-too-large"):
        blobs.append(name, MAX_BLOB, b"x", last=True)


@pytest.mark.parametrize("name", ["", "..", "0" * 63, "A" * 64, "0" * 64 + ".part"])
def test_a_name_is_never_a_path(site: Site, name: str) -> None:
    with pytest.raises(CountyRefusal, match="blob-name"):
        Blobs(site.county.folder / ATTACHMENTS).extent(name)
