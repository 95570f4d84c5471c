"""Enrolment codes: for one laptop, once, in time; cards of the workplace come with it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.errors import ChainBroken, CountyRefusal
from app.ledger import card as cards
from app.ledger import chain as chains
from app.ledger.act import Circumstances, start
from app.ledger.card import Outcome, Trust
from app.ledger.entry import Act, decode_entry, entry_id
from app.ledger.signatures import public_key
from app.models.queries import seats
from app.models.records.fieldwork import POOL
from app.models.records.people import DEVICE
from app.models.tables import TABLES
from app.sync.protocol import EnrolmentCode, PoolFile
from app.sync.transport import County as Wire
from app.vault.attachments import unseal
from county import administration, demo, enrolment
from county.administration import Author, Deed, said
from county.keys import pin
from county.tables import ENROLMENT
from tests.county.conftest import Site
from tests.county.laptop import NOW, Laptop, clock
from tests.county.verdicts import verdict


def test_a_code_says_whom_it_is_for_and_which_county(site: Site, base: str) -> None:
    code = EnrolmentCode.parse(site.invite().text())
    laptop = Laptop.make(code, base, site.staff("韦测一"))
    seen = laptop.wire.look(code.secret)
    assert (seen.staff_name, seen.workplace_name, seen.county_name) == ("韦测一", "第一网格", demo.NAME)
    assert entry_id(laptop.wire.county_key().entry) == code.county
    facts = decode_entry(laptop.wire.county_key().entry).body or {}
    assert facts[chains.DEMO] is True


def test_a_code_is_used_once_and_the_same_request_may_come_again(site: Site, base: str) -> None:
    code = site.invite()
    laptop = Laptop.make(code, base, site.staff("韦测一")).enrol()
    assert laptop.wire.enrol(laptop.request).staff_name == "韦测一"
    with pytest.raises(CountyRefusal, match="enrolment-used"):
        laptop.wire.look(code.secret)
    other = Laptop.make(code, base, site.staff("韦测一"))
    with pytest.raises(CountyRefusal, match="enrolment-used"):
        other.enrol()
    assert laptop.wire.chain(laptop.pen.chain.id).next_seq == 1


def test_a_code_is_for_its_person(site: Site, base: str) -> None:
    laptop = Laptop.make(site.invite(), base, site.staff("覃试二"))
    with pytest.raises(CountyRefusal, match="enrolment-person"):
        laptop.enrol()
    with site.county.log.reading() as tx:
        assert list(tx.scalars(select(ENROLMENT.c.used_by).where(ENROLMENT.c.used_by.is_not(None)))) == []


def test_unknown_and_expired_codes_are_told_apart(site: Site, base: str) -> None:
    laptop = Laptop.make(replace(site.invite(), secret=os.urandom(14)), base, site.staff("韦测一"))
    with pytest.raises(CountyRefusal, match="enrolment-unknown"):
        laptop.enrol()
    staff, place = site.staff("韦测一"), site.area("云台镇")
    old = enrolment.invite(site.county, staff, place, base, plain=True, lifetime_ms=-clock())
    with pytest.raises(CountyRefusal, match="enrolment-expired"):
        Laptop.make(old, base, staff).enrol()


def test_a_second_person_may_join_a_laptop_but_not_take_it(site: Site, base: str) -> None:
    first = Laptop.make(site.invite(), base, site.staff("韦测一")).enrol()
    place = f"{demo.VILLAGE}/{demo.GRIDS[0]}"
    second = Laptop.make(site.invite("陆试三", place), base, site.staff("陆试三"))
    second.request = replace(
        second.request,
        device=first.request.device,
        transport_key=first.request.transport_key,
        vault=first.request.vault,
    )
    second.seed = first.seed
    second.enrol()
    assert second.wire.chain(second.pen.chain.id).state == "ok"
    thief = Laptop.make(site.invite("陆试三", place), base, site.staff("陆试三"))
    thief.request = replace(thief.request, device=first.request.device)
    with pytest.raises(CountyRefusal, match="device-known"):
        thief.enrol()


@pytest.mark.parametrize("taken", ["vault", "transport_key"])
@pytest.mark.parametrize("ended", [False, True])
def test_a_vault_and_a_key_belong_to_one_device(site: Site, base: str, taken: str, ended: bool) -> None:
    """Else a code of any role would bring what the people of that vault may see."""
    first = Laptop.make(site.invite(), base, site.staff("韦测一")).enrol()
    if ended:
        with site.county.log.writing() as tx:
            over = administration.ended(tx, DEVICE, first.request.device)
            site.county.act(tx, site.by, [Deed(act=Act.REVOKE, roots=[first.staff], said=[over])])
    other = Laptop.make(site.invite("陆试三"), base, site.staff("陆试三"))
    other.request = replace(other.request, **{taken: getattr(first.request, taken)})
    if taken == "transport_key":
        other.seed = first.seed
    with pytest.raises(CountyRefusal, match="device-known"):
        other.enrol()
    other.request = replace(other.request, vault=os.urandom(16), transport_key=public_key(other.seed))
    if taken == "vault":
        assert other.enrol().wire.chain(other.pen.chain.id).state == "ok", "the code is not used up"


def test_a_code_brings_nobody_onto_a_device_whose_key_they_lack(site: Site, base: str) -> None:
    first = Laptop.make(site.invite(), base, site.staff("韦测一")).enrol()
    code = site.invite("陆试三")
    thief = Laptop.make(code, base, site.staff("陆试三"))
    shared = {name: getattr(first.request, name) for name in ("device", "transport_key", "vault")}
    thief.request = replace(thief.request, **shared)
    with pytest.raises(CountyRefusal, match="not-authorised"):
        thief.enrol()
    thief.request = replace(thief.request, device=os.urandom(16))
    with pytest.raises(CountyRefusal, match="not-authorised"):
        thief.enrol()
    with site.county.log.reading() as tx:
        assert seats.people(tx, first.request.vault) == {first.staff}
    with pytest.raises(CountyRefusal, match="not-authorised"):  # nobody's signature at all
        Wire(base, b"", random=os.urandom, clock=clock, device=thief.request.device, seed=os.urandom(32)).enrol(
            thief.request
        )


def test_only_the_digest_of_a_secret_is_kept(site: Site) -> None:
    code = site.invite()
    with site.county.log.reading() as tx:
        rows = tx.execute(select(ENROLMENT)).all()
    assert [row.secret_digest for row in rows] == [hashlib.sha256(code.secret).digest()]
    assert len(pin(site.county.keys_folder)) == 32


def test_the_pool_of_a_workplace_opens_with_the_key_in_its_record(site: Site, laptop: Laptop) -> None:
    table = TABLES[POOL.number]
    grid, other = site.area("云台镇/上坝村/第一网格"), site.area("云台镇/上坝村/第二网格")
    with site.county.log.reading() as tx:
        mine = tx.execute(select(table).where(table.c.workplace == grid)).mappings().one()
        theirs = tx.execute(select(table).where(table.c.workplace == other)).mappings().one()
    plain = unseal(laptop.wire.blob(mine["file"]), mine["content_key"], mine["digest"])
    pool = PoolFile.decode(plain)
    trust = Trust(county=site.county.code, keys={1: site.county.facts[chains.CARD_KEY]})
    read = [cards.read(payload, trust, "2026-12-31") for payload in pool.payloads]
    assert {one.outcome for one in read} == {Outcome.GENUINE}
    assert len({one.card.number for one in read if one.card}) == demo.POOL_CARDS == mine["count"]
    assert {one.card.pool for one in read if one.card} == {mine["pool_no"]}
    with pytest.raises(CountyRefusal, match="blob-unknown"):
        laptop.wire.blob(theirs["file"])


# --- a chain that a record announced ---


def announce(site: Site, by: Author, one: Laptop, **other: object) -> None:
    """A signer record for the chain of `one`, written by `by`."""
    facts = {
        "staff": one.staff,
        "chain": one.pen.chain.id,
        "algorithm": 1,
        "public_key": one.pen.chain.public_key,
        "device": one.request.device,
        **other,
    }
    with site.county.log.writing() as tx:
        site.county.act(
            tx, by, [Deed(act=Act.RECOVER, roots=[one.staff], said=[said("signer", os.urandom(16), facts)])]
        )


def going_on(old: Laptop, cites: object) -> Laptop:
    """A new chain of the person of `old` on the same device, its first entry citing `cites`."""
    seed = os.urandom(32)
    genesis, pen = start(seed, os.urandom(16), old.staff, Circumstances(wall=NOW), {chains.CITES: cites})
    return replace(old, pen=pen, log=[genesis])


def test_a_chain_begins_by_the_countys_word(site: Site, laptop: Laptop) -> None:
    laptop.new_household({"villager_group": "一组"})
    cited = [laptop.pen.chain.id, laptop.pen.chain.next_seq - 1, laptop.pen.chain.head]
    fresh = going_on(laptop, cited)  # the county has not even got what it cites
    fresh.new_household({"villager_group": "二组"})
    with pytest.raises(CountyRefusal, match="chain-unknown"):
        fresh.send(0)
    announce(site, site.by, fresh)
    head = fresh.wire.chain(fresh.pen.chain.id)
    assert (head.next_seq, head.head, head.state) == (0, bytes(32), "ok")
    with pytest.raises(CountyRefusal, match="chain-gap"):
        fresh.send(1)
    assert sum(count for _, count in fresh.send(0).runs) == 2
    assert fresh.send(0).runs == fresh.send(0).runs
    assert fresh.wire.chain(fresh.pen.chain.id).next_seq == 2
    laptop.send(0)  # the old chain is in force all the while
    assert verdict(site).fault is None


def test_only_the_announced_person_and_key_begin_a_chain(site: Site, laptop: Laptop) -> None:
    other = site.staff("陆试三")
    for wrong in ({"public_key": os.urandom(32)}, {"staff": other}):
        fresh = going_on(laptop, [laptop.pen.chain.id, 0, laptop.log[0].id])
        announce(site, site.by, fresh, **wrong)
        with pytest.raises(CountyRefusal, match="chain-unknown"):
            fresh.send(0)
    fresh = going_on(laptop, [laptop.pen.chain.id, 0, laptop.log[0].id])
    word = said(
        "signer",
        os.urandom(16),
        {"staff": fresh.staff, "chain": fresh.pen.chain.id, "algorithm": 1, "public_key": fresh.pen.chain.public_key},
    )
    laptop.act(laptop.staff, [word], Act.RECOVER)  # its own word is no authority
    laptop.send(0)
    with pytest.raises(CountyRefusal, match="chain-unknown"):
        fresh.send(0)
    assert verdict(site).fault is None


def test_a_chain_goes_on_from_one_of_the_same_person_only(site: Site, laptop: Laptop, new_laptop: object) -> None:
    assert callable(new_laptop)
    other = new_laptop("陆试三")
    for cites, code in (
        ([other.pen.chain.id, 0, other.log[0].id], "citation-foreign"),
        ([laptop.pen.chain.id, 0], "not-a-genesis"),
        ([laptop.pen.chain.id, -1, bytes(32)], "not-a-genesis"),
        ("words", "not-a-genesis"),
    ):
        fresh = going_on(laptop, cites)
        announce(site, site.by, fresh)
        with pytest.raises((CountyRefusal, ChainBroken), match=code):
            fresh.send(0)
    assert verdict(site).fault is None
