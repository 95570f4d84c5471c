"""What an enrolled laptop could send to make the county's log unprovable: it is refused, or the log still holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.errors import HudangError
from app.ledger.act import Circumstances, Pen, Said, Signed, start, write
from app.ledger.chain import Chain
from app.ledger.entry import (
    Act,
    Change,
    Entry,
    Payload,
    commit_all,
    commit_value,
    encode_entry,
    encode_payload,
    entry_id,
    salt,
    signed_bytes,
)
from app.ledger.signatures import ED25519, public_key, sign
from app.models.records.registry import BY_NAME
from county import quarantine, revocation
from county.administration import Deed, said
from tests.county.conftest import Site
from tests.county.laptop import Laptop, clock
from tests.county.verdicts import assert_holds, verdict

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


# --- behind the end of a key, and before the beginning of a chain ---


def announced(site: Site, laptop: Laptop, genesis: Entry, seed: bytes) -> Laptop:
    """A laptop whose new chain, begun by `genesis` as it is here, the county has announced."""
    data = encode_entry(genesis)
    first = Signed(
        entry=genesis,
        id=entry_id(data),
        data=data,
        signature=sign(ED25519, seed, signed_bytes(entry_id(data))),
        payload=encode_payload(Payload(bytes(32), (True,) if genesis.changes else ())),
    )
    facts = {"staff": laptop.staff, "chain": genesis.chain, "algorithm": 1, "public_key": public_key(seed)}
    with site.county.log.writing() as tx:
        told = said("signer", os.urandom(16), facts)
        site.county.act(tx, site.by, [Deed(act=Act.RECOVER, roots=[laptop.staff], said=[told])])
    chain = Chain(
        id=genesis.chain,
        next_seq=1,
        head=first.id,
        algorithm=1,
        public_key=public_key(seed),
        actor=genesis.actor,
    )
    return replace(laptop, pen=Pen(chain=chain, seed=seed), log=[first])


def test_an_announced_chain_begins_with_a_genesis_and_nothing_else(site: Site, laptop: Laptop) -> None:
    thing = os.urandom(16)
    secret = salt(bytes(32), 0)
    commitment = commit_all([commit_value(secret, thing, 0, True)])
    for change, fits in (
        ({"changes": (Change(HOUSEHOLD, thing, (0,)),), "commitment": commitment}, False),
        ({"original": (laptop.log[0].data, laptop.log[0].signature)}, False),
        ({"roots": (laptop.staff, thing) if laptop.staff < thing else (thing, laptop.staff)}, False),
        ({"wall": 2**63}, False),
        ({"actor": site.by.staff, "roots": (site.by.staff,)}, False),
        ({}, True),
    ):
        seed = os.urandom(32)
        genesis, _ = start(seed, os.urandom(16), laptop.staff, Circumstances(wall=clock()))
        fresh = announced(site, laptop, replace(genesis.entry, **change), seed)
        if fits:
            fresh.send(0)
            continue
        with pytest.raises(HudangError):
            fresh.send(0)
    assert_holds(site)


def test_what_is_held_may_say_anything_and_the_log_still_holds(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    with site.county.log.writing() as tx:
        target = revocation.of_device(tx, laptop.request.device.hex())
        revocation.revoke(site.county, site.by, tx, target, "x")
    liar = Circumstances(wall=clock(), seen=(7, 10**9, bytes(32)), mono=(1, 2))
    told = [Said(kind=HOUSEHOLD, object=home, values={4: "二组"}, bases={4: [os.urandom(16), laptop.log[1].id[:16]]})]
    for refs in ([os.urandom(16)], [os.urandom(32)], []):
        signed, laptop.pen = write(laptop.pen, Act.EDIT, [home], told, liar, os.urandom, refs)
        laptop.log.append(signed)
    same = replace(signed.entry, original=(laptop.log[1].data, laptop.log[1].signature))
    for _ in range(2):  # signed again what never was lost: the same dot as the entry that the log has
        same = replace(same, seq=laptop.pen.chain.next_seq, prev=laptop.pen.chain.head)
        same = replace(same, act=Act.CREATE, changes=laptop.log[1].entry.changes, bases={}, refs=())
        same = replace(same, commitment=laptop.log[1].entry.commitment)
        data = encode_entry(same)
        one = Signed(
            entry=same,
            id=entry_id(data),
            data=data,
            signature=sign(ED25519, laptop.pen.seed, signed_bytes(entry_id(data))),
            payload=laptop.log[1].payload,
        )
        laptop.pen = replace(laptop.pen, chain=replace(laptop.pen.chain, next_seq=same.seq + 1, head=one.id))
        laptop.log.append(one)
    with pytest.raises(HudangError, match="chain-held"):
        laptop.send(2)
    assert_holds(site)
    for _ in range(5):
        with site.county.log.writing() as tx:
            first = quarantine.waiting(tx)[0]
            quarantine.decide(site.county, site.by, tx, first.id, quarantine.AGREED, "x")
    assert_holds(site)
