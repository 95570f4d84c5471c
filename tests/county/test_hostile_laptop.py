"""What an enrolled laptop could send to make the county's log unprovable: it is refused, or the log still holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.errors import HudangError
from app.ledger.act import Circumstances, Said, write
from app.ledger.entry import Act, Change, encode_entry, entry_id, signed_bytes
from app.ledger.signatures import ED25519, sign
from app.models.records.registry import BY_NAME
from tests.county.conftest import Site
from tests.county.laptop import Laptop, clock
from tests.county.verdicts import verdict

HOUSEHOLD, MEMBER = BY_NAME["household"].number, BY_NAME["member"].number


def test_a_laptop_that_claims_to_have_seen_another_log(site: Site, laptop: Laptop) -> None:
    with site.county.log.reading():
        size, root = site.county.log.tree.size, site.county.log.tree.root()
    home = laptop.new_household({"villager_group": "一组"})
    honest = laptop.pen
    for seen in ((0, size, bytes(32)), (0, size + 100, root), (1, size, root)):
        laptop.pen = honest
        del laptop.log[2:]
        said = [Said(kind=HOUSEHOLD, object=home, values={0: True})]
        at = Circumstances(wall=clock(), seen=seen)
        signed, laptop.pen = write(laptop.pen, Act.EDIT, [home], said, at, os.urandom)
        laptop.log.append(signed)
        with pytest.raises(HudangError) as refused:
            laptop.send(0)
        assert refused.value.code == "seen-contradicts"
    laptop.pen = honest
    del laptop.log[2:]
    at = Circumstances(wall=clock(), seen=(0, size, root))
    signed, laptop.pen = write(laptop.pen, Act.EDIT, [home], [], at, os.urandom)
    laptop.log.append(signed)
    laptop.send(0)
    assert verdict(site).fault is None


def test_one_id_for_objects_of_two_kinds(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    first = laptop.log[-1].id[:16]
    both: list[Any] = [
        Said(kind=HOUSEHOLD, object=home, values={0: True, 1: "二组"}, bases={0: [first]}),
        Said(kind=MEMBER, object=home, values={0: True, 1: home, 3: "莫测五"}),
    ]
    laptop.act(home, both)
    laptop.act(home, [Said(kind=MEMBER, object=home, values={0: True, 3: "莫测六"})])
    laptop.act(home, [Said(kind=HOUSEHOLD, object=home, values={0: True, 3: "三组"})])
    laptop.send(0)
    assert verdict(site).fault is None


def test_a_first_entry_that_says_more_than_it_should(site: Site, base: str, new_laptop: Callable[..., Laptop]) -> None:
    fresh = Laptop.make(site.invite(), base, site.staff("韦测一"))
    genesis = fresh.log[0]
    entry = replace(genesis.entry, changes=(Change(HOUSEHOLD, os.urandom(16), (0,)),), commitment=bytes(32))
    data = encode_entry(entry)
    signature = sign(ED25519, fresh.pen.seed, signed_bytes(entry_id(data)))
    fresh.request = replace(fresh.request, genesis=data, signature=signature)
    with pytest.raises(HudangError):
        fresh.enrol()
    assert verdict(site).fault is None


def test_an_entry_signed_again_that_was_never_lost(
    site: Site, laptop: Laptop, new_laptop: Callable[..., Laptop]
) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    here = laptop.pen
    known = laptop.edit(home, "address_detail", "一号")
    laptop.send(0)
    laptop.pen = here
    lost = laptop.edit(home, "address_detail", "二号")
    again = new_laptop()
    for original, code in (
        ((known.data, known.signature), "original-known"),
        ((lost.data, bytes(64)), "bad-signature"),
        ((lost.data, lost.signature), None),
        ((lost.data, lost.signature), "original-known"),
    ):
        source = known if original[0] == known.data else lost
        entry = replace(
            source.entry,
            chain=again.pen.chain.id,
            seq=again.pen.chain.next_seq,
            prev=again.pen.chain.head,
            original=original,
        )
        data = encode_entry(entry)
        signature = sign(ED25519, again.pen.seed, signed_bytes(entry_id(data)))
        signed = replace(source, entry=entry, id=entry_id(data), data=data, signature=signature)
        again.log.append(signed)
        if code is None:
            again.send(1)
            after = replace(again.pen.chain, next_seq=entry.seq + 1, head=signed.id)
            again.pen = replace(again.pen, chain=after)
            continue
        with pytest.raises(HudangError) as refused:
            again.send(entry.seq)
        assert refused.value.code == code
        again.log.pop()
    assert verdict(site).fault is None
