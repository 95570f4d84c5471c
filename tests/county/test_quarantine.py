"""What comes from an ended key or device: held, once, committed to by the log, and let in only by a person's word."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.errors import CountyRefusal, HudangError, InputProblem
from app.ledger.act import Said
from app.ledger.chain import Chain
from app.ledger.entry import Act, Kind, decode_entry
from app.models.records.fieldwork import POOL
from app.models.records.oversight import ADMISSION
from app.models.records.people import DEVICE, SIGNER
from app.models.records.registry import BY_NAME
from app.models.store import Transaction, registers_of
from app.models.tables import ENTRY, TABLES
from app.sync.protocol import Packet
from county import quarantine, revocation
from county.administration import Author, Deed, said
from county.quarantine import AGREED, REFUSED, Held
from county.revocation import Incident, Target
from county.tables import QUARANTINE
from tests.county.conftest import Site
from tests.county.laptop import Laptop, Store
from tests.county.verdicts import assert_holds, verdict

HOUSEHOLD = BY_NAME["household"].number
GROUP = BY_NAME["household"].field("villager_group").number


def revoke_device(site: Site, laptop: Laptop) -> Incident:
    with site.county.log.writing() as tx:
        target = revocation.of_device(tx, laptop.request.device.hex()[:12])
        return revocation.revoke(site.county, site.by, tx, target, "电脑丢了")


def revoke_person(site: Site, laptop: Laptop, good_until: int | None = None) -> Incident:
    with site.county.log.writing() as tx:
        target = revocation.of_staff(tx, laptop.staff)
        return revocation.revoke(site.county, site.by, tx, target, "调走了", good_until)


def held(laptop: Laptop, begin: int, end: int | None = None) -> int:
    """How many entries of the chain are held once this part of it was handed in."""
    with pytest.raises(CountyRefusal, match="chain-held") as refused:
        laptop.send(begin, end)
    count = refused.value.facts["held"]
    assert isinstance(count, int)
    return count


def waiting(site: Site) -> list[Held]:
    with site.county.log.reading() as tx:
        return quarantine.waiting(tx)


def decide(site: Site, identity: bytes, outcome: str, by: Author | None = None) -> None:
    with site.county.log.writing() as tx:
        quarantine.decide(site.county, by or site.by, tx, identity, outcome, "看过照片")


def groups(site: Site, household: bytes) -> set[str]:
    """What the county's registers hold of a household's group: one value, several in dispute, none."""
    with site.county.log.reading() as tx:
        register = registers_of(tx, BY_NAME["household"], household).get(GROUP)
        return {value for _, value in register.live.values()} if register else set()


def size(site: Site) -> int:
    with site.county.log.reading():
        return site.county.log.tree.size


def workplace(tx: Transaction, laptop: Laptop) -> bytes:
    table = TABLES[DEVICE.number]
    place: bytes = tx.execute(select(table.c.workplace).where(table.c.id == laptop.request.device)).scalar_one()
    return place


# --- holding ---


def test_what_a_lost_device_sends_later_is_held_once_and_named_by_the_log(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    incident = revoke_device(site, laptop)
    assert incident.chains == ((laptop.pen.chain.id, 1),)
    for text in ("二组", "三组", "四组"):
        laptop.edit(home, "villager_group", text)
    assert held(laptop, 2, 4) == 2
    after = size(site)
    assert held(laptop, 2, 4) == 2
    assert held(laptop, 1, 4) == 2
    assert size(site) == after, "the same packet twice is held once"
    assert held(laptop, 3) == 3
    head = laptop.wire.chain(laptop.pen.chain.id)
    assert (head.state, head.next_seq, head.held) == ("revoked", 2, 3)
    assert groups(site, home) == {"一组"}
    assert [one.seq for one in waiting(site)] == [2, 3, 4]
    with site.county.log.reading() as tx:
        kept = tx.execute(select(QUARANTINE).order_by(QUARANTINE.c.seq)).all()
        assert [(row.entry, row.signature, row.payload) for row in kept] == [
            (one.data, one.signature, one.payload) for one in laptop.log[2:]
        ]
        named = [decode_entry(data) for data in tx.scalars(select(ENTRY.c.data).where(ENTRY.c.act == int(Act.HOLD)))]
    assert [ref for entry in named for ref in entry.refs[1:]] == [one.id for one in laptop.log[2:]]
    assert {entry.refs[0] for entry in named} == {laptop.request.device}
    assert {entry.chain for entry in named} == {site.county.service.chain}
    assert_holds(site)


def test_a_receipt_that_was_lost_is_given_again_after_the_end(site: Site, laptop: Laptop) -> None:
    laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    revoke_device(site, laptop)
    assert laptop.send(0).runs == laptop.send(0, 2).runs


def test_held_entries_are_judged_like_all_others(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    revoke_device(site, laptop)
    first, second = laptop.edit(home, "villager_group", "二组"), laptop.edit(home, "villager_group", "三组")
    with pytest.raises(CountyRefusal, match="chain-gap"):
        laptop.send(3)
    for broken, code in (
        ((first.data, bytes(64), first.payload), "bad-signature"),
        ((first.data, first.signature, second.payload), "commitment"),
        ((first.data[:-1], first.signature, first.payload), "d1-bytes"),
    ):
        line = laptop.wire
        with pytest.raises(CountyRefusal, match=code):
            line.send(Packet(laptop.pen.chain.id, 2, (broken,)), 0)
        line.close()
    assert waiting(site) == []
    assert held(laptop, 2) == 2
    other = replace(laptop, log=laptop.log[:2], pen=replace(laptop.pen, chain=_before(laptop, 2)))
    other.edit(home, "villager_group", "别的组")
    with pytest.raises(CountyRefusal, match="chain-forked"):
        other.send(2)
    assert laptop.wire.chain(laptop.pen.chain.id).state == "forked"
    assert verdict(site).fault is None


def _before(laptop: Laptop, seq: int) -> Chain:
    return replace(laptop.pen.chain, next_seq=seq, head=laptop.log[seq - 1].id)


def test_a_lost_device_hands_in_and_reads_nothing(site: Site, laptop: Laptop) -> None:
    laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    Store().pull(laptop)
    pool = TABLES[POOL.number]
    with site.county.log.reading() as tx:
        file = tx.scalars(select(pool.c.file).where(pool.c.workplace == workplace(tx, laptop))).first()
    assert file is not None
    line = laptop.wire
    line.blob(file)
    revoke_device(site, laptop)
    assert line.hello(0).oldest_protocol == 1
    assert line.chain(laptop.pen.chain.id).state == "revoked"
    sealed = os.urandom(100)
    photo = hashlib.sha256(sealed).digest()
    assert line.put_blob(photo, 0, sealed, last=True) == (100, True)  # it belongs to what is held
    for name in (file, photo):
        with pytest.raises(CountyRefusal, match="device-revoked"):
            line.blob(name)
    with pytest.raises(CountyRefusal, match="device-revoked"):
        Store().pull(laptop)
    line.close()


def test_a_colleagues_chain_handed_in_by_the_lost_device_is_held_too(
    site: Site, laptop: Laptop, new_laptop: Callable[..., Laptop]
) -> None:
    other = new_laptop("陆试三")
    other.new_household({"villager_group": "一组"})
    revoke_device(site, laptop)
    by_way_of = replace(other, request=replace(other.request, device=laptop.request.device), seed=laptop.seed)
    assert held(by_way_of, 1) == 1
    assert [one.staff for one in waiting(site)] == ["陆试三"]
    other.send(0)  # from their own device it simply enters
    assert waiting(site) == []
    with site.county.log.reading() as tx, pytest.raises(InputProblem, match="held-unknown"):
        quarantine.find(tx, other.log[1].id.hex()[:16])
    assert_holds(site)


def test_a_chain_that_was_ended_before_it_began_is_held_from_its_first_entry(site: Site, laptop: Laptop) -> None:
    fresh = Laptop.make(site.invite(), laptop.base, laptop.staff)
    fresh = replace(fresh, request=laptop.request, seed=laptop.seed)
    facts = {"staff": laptop.staff, "chain": fresh.pen.chain.id, "algorithm": 1}
    facts |= {"public_key": fresh.pen.chain.public_key, "device": laptop.request.device}
    with site.county.log.writing() as tx:
        told = said("signer", os.urandom(16), facts)
        site.county.act(tx, site.by, [Deed(act=Act.RECOVER, roots=[laptop.staff], said=[told])])
    with site.county.log.writing() as tx:
        revocation.revoke(site.county, site.by, tx, revocation.of_chain(tx, fresh.pen.chain.id.hex()), "不要了")
    fresh.new_household({"villager_group": "一组"})
    assert held(fresh, 0, 1) == 1
    assert held(fresh, 0) == 2
    assert [one.act for one in waiting(site)] == [0, Act.CREATE]
    first = waiting(site)[0]
    with pytest.raises(InputProblem, match="held-kind"):
        decide(site, first.id, AGREED)
    decide(site, first.id, REFUSED)
    decide(site, waiting(site)[0].id, AGREED)
    assert_holds(site)


# --- up to where a chain is good ---


@pytest.mark.parametrize("good_until", [3, 1, 0])
def test_a_chain_is_good_up_to_the_seq_that_was_told(site: Site, laptop: Laptop, good_until: int) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    for text in ("二组", "三组", "四组"):
        laptop.edit(home, "villager_group", text)
    incident = revoke_person(site, laptop, good_until)
    assert incident.behind == max(1 - good_until, 0)
    if good_until == 3:
        receipt = laptop.send(1)  # what is good of it gets a receipt, the rest has to come again
        assert sum(count for _, count in receipt.runs) == 3
    assert held(laptop, max(good_until, 1)) == 4 - max(good_until, 1)
    assert laptop.wire.chain(laptop.pen.chain.id).next_seq == max(good_until, 1) + 1
    assert_holds(site)


def test_only_one_chain_can_be_good_up_to_a_number(site: Site, laptop: Laptop) -> None:
    with site.county.log.writing() as tx:
        target = revocation.of_device(tx, laptop.request.device.hex())
        with pytest.raises(InputProblem, match="revoke-one-chain"):
            revocation.revoke(site.county, site.by, tx, target, "x", 3)
        with pytest.raises(InputProblem, match="revoke-one-chain"):
            revocation.revoke(site.county, site.by, tx, Target(signers=[*target.signers, *target.signers]), "x", 3)


# --- revoking ---


def test_an_incident_says_what_was_on_a_lost_device(site: Site, laptop: Laptop) -> None:
    laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    store = Store()
    store.pull(laptop)
    with site.county.log.reading() as tx:
        homes = TABLES[HOUSEHOLD]
        here = len(set(tx.scalars(select(homes.c.id))) & store.streams.keys())
        pool = TABLES[POOL.number]
        mine = pool.c.workplace == workplace(tx, laptop)
        numbers = tuple(tx.scalars(select(pool.c.pool_no).where(mine, pool.c.alive)))
    incident = revoke_device(site, laptop)
    assert incident.staff == ("韦测一",)
    assert incident.devices == ("测试机",)
    assert incident.areas == ("云台镇/上坝村/第一网格",)
    assert incident.households == here > 0
    assert incident.received_ms is not None
    assert incident.pools == numbers
    assert incident.bound == 0
    with site.county.log.reading() as tx:
        assert tuple(tx.scalars(select(pool.c.pool_no).where(mine, pool.c.alive))) == ()
        ended = [TABLES[kind.number] for kind in (SIGNER, DEVICE)]
        assert tx.scalar(select(ended[0].c.alive).where(ended[0].c.chain == laptop.pen.chain.id)) == 0
        assert tx.scalar(select(ended[1].c.alive).where(ended[1].c.id == laptop.request.device)) == 0
    with site.county.log.reading() as tx, pytest.raises(InputProblem, match="device-unknown"):
        revocation.of_device(tx, laptop.request.device.hex())
    with site.county.log.reading() as tx, pytest.raises(InputProblem, match="revoke-nothing"):
        revocation.of_staff(tx, laptop.staff)
    assert_holds(site)


def test_who_has_no_authority_ends_and_admits_nothing(site: Site, laptop: Laptop) -> None:
    mine = Author(staff=laptop.staff, chain=laptop.pen.chain.id, seed=laptop.pen.seed)
    before = size(site)
    with site.county.log.writing() as tx, pytest.raises(InputProblem, match="not-allowed"):
        revocation.revoke(site.county, mine, tx, revocation.of_staff(tx, laptop.staff), "x")
    with pytest.raises(InputProblem, match="not-allowed"):
        decide(site, bytes(32), AGREED, mine)
    assert size(site) == before


def test_a_person_whose_key_ended_leaves_colleagues_of_the_same_laptop_alone(
    site: Site, base: str, laptop: Laptop
) -> None:
    second = Laptop.make(site.invite("陆试三"), base, site.staff("陆试三"))
    same = {name: getattr(laptop.request, name) for name in ("device", "transport_key", "vault")}
    second = replace(second, request=replace(second.request, **same), seed=laptop.seed).enrol()
    revoke_person(site, laptop)
    second.new_household({"villager_group": "一组"})
    second.send(0)
    laptop.new_household({"villager_group": "二组"})
    assert held(laptop, 1) == 1
    assert Store().pull(second)


# --- deciding ---


def handed_in(site: Site, laptop: Laptop, texts: Sequence[str]) -> bytes:
    """A household that the county has as 一组, and one held edit for each text; its id."""
    home = laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    revoke_device(site, laptop)
    for text in texts:
        laptop.edit(home, "villager_group", text, [laptop.log[-1].id[:16]])
    assert held(laptop, 2) == len(texts)
    return home


def test_an_admitted_entry_takes_its_place_in_the_name_of_who_admitted_it(site: Site, laptop: Laptop) -> None:
    home = handed_in(site, laptop, ["二组", "三组"])
    first, second = waiting(site)
    assert (first.staff, first.act, first.kinds, first.roots) == ("韦测一", Act.EDIT, ("农户",), (home,))
    with pytest.raises(InputProblem, match="held-order"):
        decide(site, second.id, AGREED)
    decide(site, first.id, AGREED)
    assert groups(site, home) == {"二组"}
    assert [one.id for one in waiting(site)] == [second.id]
    decide(site, second.id, AGREED)
    assert groups(site, home) == {"三组"}
    with site.county.log.reading() as tx:
        table = TABLES[ADMISSION.number]
        rows = tx.execute(select(table).where(table.c.alive)).all()
        assert {row.entry for row in rows} == {first.id, second.id}
        assert {(row.staff, row.outcome, row.reason) for row in rows} == {(laptop.staff, AGREED, "看过照片")}
        stated = [decode_entry(d) for d in tx.scalars(select(ENTRY.c.data).order_by(ENTRY.c.position.desc()).limit(9))]
        again = [entry for entry in stated if entry.kind == Kind.ACT and entry.act == Act.EDIT]
        assert [(entry.chain, entry.actor, entry.refs[0]) for entry in again] == [
            (site.by.chain, site.by.staff, second.id),
            (site.by.chain, site.by.staff, first.id),
        ]
        evidence = tx.execute(select(QUARANTINE.c.entry).order_by(QUARANTINE.c.seq)).scalars().all()
    assert evidence == [one.data for one in laptop.log[2:]]
    for identity in (first.id, second.id):
        with pytest.raises(InputProblem, match="held-unknown"):
            decide(site, identity, AGREED)
    assert laptop.wire.chain(laptop.pen.chain.id).next_seq == 2, "the ended chain stays closed"
    assert_holds(site)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ((REFUSED, REFUSED, REFUSED), {"一组"}),
        ((REFUSED, AGREED, REFUSED), {"三组"}),
        ((AGREED, REFUSED, AGREED), {"四组"}),
        ((REFUSED, REFUSED, AGREED), {"四组"}),
    ],
)
def test_whatever_is_refused_nothing_is_disputed(
    site: Site, laptop: Laptop, outcomes: tuple[str, str, str], expected: set[str]
) -> None:
    home = handed_in(site, laptop, ["二组", "三组", "四组"])
    for outcome in outcomes:
        decide(site, waiting(site)[0].id, outcome)
    assert groups(site, home) == expected
    assert waiting(site) == []
    assert_holds(site)


def test_a_household_that_was_made_and_changed_behind_the_end(site: Site, laptop: Laptop) -> None:
    revoke_device(site, laptop)
    home = laptop.new_household({"villager_group": "一组"})
    laptop.edit(home, "villager_group", "二组", [laptop.log[-1].id[:16]])
    assert held(laptop, 1) == 2
    for _ in range(2):
        decide(site, waiting(site)[0].id, AGREED)
    assert groups(site, home) == {"二组"}
    with site.county.log.reading() as tx:
        row = tx.execute(select(TABLES[HOUSEHOLD]).where(TABLES[HOUSEHOLD].c.id == home)).one()
    assert (row.alive, row.creations) == (1, 1)
    assert_holds(site)


def test_nobody_gets_rights_by_way_of_an_admission(site: Site, laptop: Laptop) -> None:
    revoke_device(site, laptop)
    grant = said("grant", os.urandom(16), {"staff": laptop.staff, "role": "ADMIN", "area": site.area("")})
    laptop.act(laptop.staff, [grant], Act.GRANT)
    assert held(laptop, 1) == 1
    with pytest.raises(InputProblem, match="held-kind"):
        decide(site, waiting(site)[0].id, AGREED)
    decide(site, waiting(site)[0].id, REFUSED)
    assert_holds(site)


def test_a_strange_act_is_held_and_admitted_as_it_is(site: Site, laptop: Laptop) -> None:
    revoke_device(site, laptop)
    thing = os.urandom(16)
    laptop.act(thing, [Said(kind=999, object=thing, values={1: ["a", 2], 7: None}, bases={1: [os.urandom(16)]})], 4711)
    laptop.act(thing, [], 4712)
    assert held(laptop, 1) == 2
    for _ in range(2):
        decide(site, waiting(site)[0].id, AGREED)
    assert_holds(site)


def test_an_id_is_named_by_enough_of_its_digits(site: Site, laptop: Laptop) -> None:
    handed_in(site, laptop, ["二组"])
    identity = waiting(site)[0].id
    with site.county.log.reading() as tx:
        assert quarantine.find(tx, identity.hex()[:8].upper()) == identity
        for text, code in (("", "id-short"), (identity.hex()[:7], "id-short"), ("0" * 16, "held-unknown")):
            with pytest.raises(HudangError, match=code):
                quarantine.find(tx, text)


def test_an_ended_device_does_not_fill_the_disk(site: Site, laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    laptop.send(0)
    monkeypatch.setattr(quarantine, "ROOM", 4 * quarantine.LEAST)
    for _ in range(6):  # a device in force hands in what it has
        laptop.new_household({"villager_group": "一组"})
        laptop.send(len(laptop.log) - 1)
    revoke_device(site, laptop)
    refused = []
    wire = laptop.wire
    for n in range(6):
        laptop.new_household({"villager_group": "二组"})
        with pytest.raises(CountyRefusal) as one:
            laptop.send(len(laptop.log) - 1)
        refused.append(one.value.code)
        data = bytes([n]) * 100
        try:
            wire.put_blob(hashlib.sha256(data).digest(), 0, data, last=True)
        except CountyRefusal as two:
            refused.append(two.code)
    wire.close()
    assert refused == ["chain-held"] * 2 + ["device-full"] * 8
    with site.county.log.reading() as tx:
        assert len(quarantine.waiting(tx)) == 2
