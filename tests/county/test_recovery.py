"""A forgotten password, a key that ended: real vaults and a real county, with the work that had not been sent."""

from __future__ import annotations

import base64
import contextlib
import os
import random as chance
from dataclasses import replace

import pytest
from sqlalchemy import select

from app.casework import recovering
from app.errors import CountyRefusal, HudangError, InputProblem, VaultProblem
from app.ledger import chain as chains
from app.ledger.entry import Act, decode_entry
from app.models.fields import LIFE
from app.models.queries import history
from app.models.records.people import SIGNER
from app.models.store import registers_of
from app.models.tables import ENTRY, TABLES
from app.sync import exchange
from app.sync.connection import Connection
from app.vault import kept, recovery, slotfile
from app.vault.recovery import Answer, Request
from app.vault.vault import Vault
from county import administration, quarantine, revocation
from county import recovery as office
from county.administration import Author, Deed, said
from county.keys import load_recovery
from county.sequencer import Log
from county.tables import QUARANTINE
from tests.county.conftest import CHEAP, Site
from tests.county.laptop import clock
from tests.county.verdicts import assert_holds
from tests.sync.laptops import GROUP, HOUSEHOLD, PASSWORD, Laptop, finished
from tests.sync.test_with_county import Enrol, enrol  # noqa: F401 - fixture

NEW = "一句 新的 很长的话 another one"


def ask(laptop: Laptop) -> Request:
    """The person forgot the password: the vault is locked, and a request made."""
    staff, folder = laptop.vault.staff, laptop.vault.folder
    laptop.vault.lock()
    return recovery.begin(folder, staff, NEW, random=os.urandom, kdf=CHEAP)


def answer(site: Site, request: Request, *, compromised: bool = False) -> Answer:
    """What the county makes of it, when the words are read out rightly."""
    words = " ".join(recovery.words(request.encode()))
    private = load_recovery(site.folder / "recovery.key")
    return office.recover(site.county, site.by, request, private, words, compromised=compromised)


def take(laptop: Laptop, told: Answer) -> None:
    """The answer reaches the laptop; from here on the person works with the new password."""
    folder, staff = laptop.vault.folder, recovery.waiting(laptop.vault.folder)
    assert staff is not None
    recovery.finish(folder, NEW, Answer.decode(told.encode()), random=os.urandom, kdf=CHEAP)
    laptop.vault = Vault.unlock(folder, staff.staff, NEW)
    recovering.settle(laptop.vault, build=1, clock=clock)


def own(laptop: Laptop) -> list[kept.KeptChain]:
    with laptop.vault.reading() as tx:
        return kept.own_chains(tx)


def waiting(laptop: Laptop) -> int:
    with laptop.vault.reading() as tx:
        return kept.waiting(tx)


def groups(site: Site) -> dict[bytes, str]:
    with site.county.log.reading() as tx:
        table = TABLES[8]
        return {row.id: row.villager_group for row in tx.execute(select(table))}


def live(of: Vault | Log, homes: list[bytes]) -> dict[bytes, set[tuple[bytes, object]]]:
    """What the registers hold of the groups of these households, disputes and all."""
    with of.reading() as tx:
        found = {home: registers_of(tx, HOUSEHOLD, home).get(GROUP) for home in homes}
        return {home: {(dot, at[1]) for dot, at in one.live.items()} if one else set() for home, one in found.items()}


def assert_same(site: Site, laptop: Laptop) -> None:
    """Laptop and county show the same of what is on the laptop, and both follow from their logs."""
    there = groups(site)
    here = laptop.groups()
    assert here == {household: there.get(household) for household in here}
    laptop.assert_fold_is_tables()
    assert_holds(site)


def decide_all(site: Site, *outcomes: str) -> None:
    for outcome in outcomes:
        with site.county.log.writing() as tx:
            first = quarantine.waiting(tx)[0]
            quarantine.decide(site.county, site.by, tx, first.id, outcome, "看过")


# --- a forgotten password ---


def test_a_forgotten_password_costs_nothing(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    home, fresh = min(laptop.groups()), os.urandom(16)
    laptop.write(home, "一组")
    laptop.sync()
    laptop.write(home, "二组")  # not sent yet
    laptop.write(fresh, "三组")
    old = laptop.chain.state
    request = Request.decode(ask(laptop).encode())
    with site.county.log.reading() as tx:
        who = office.applicant(site.county, tx, request)
    assert (who.name, who.device_name, who.workplace) == ("韦测一", "办公室笔记本", "云台镇/上坝村/第一网格")
    assert who.words == recovery.words(request.encode())
    take(laptop, answer(site, request))
    with pytest.raises(VaultProblem, match="wrong-password"):
        laptop.vault.keys_of(request.staff, PASSWORD)
    laptop.write(home, "四组")
    report = laptop.sync()
    assert (report.held, waiting(laptop)) == (0, 0)
    assert laptop.sync().same
    assert groups(site)[home] == "四组"
    assert groups(site)[fresh] == "三组"
    with site.county.log.reading() as tx:
        assert site.county.log.chains[old.id].next_seq == old.next_seq
        fresh_chain = tx.execute(select(ENTRY).where(ENTRY.c.chain == request.chain).order_by(ENTRY.c.seq)).all()
        body = decode_entry(fresh_chain[0].data).body or {}
        assert body[chains.CITES] == [old.id, old.next_seq - 1, old.head]
        told = tx.execute(select(ENTRY).where(ENTRY.c.act == int(Act.RECOVER))).one()
        assert told.actor == site.by.staff, "the log says who let the person back in"
        tail = tx.scalars(select(ENTRY.c.position).where(ENTRY.c.chain == old.id)).all()
        assert max(tail) < fresh_chain[0].position, "the old chain's tail comes first"
    assert_same(site, laptop)


def test_forgotten_once_more(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    home = min(laptop.groups())
    before = laptop.chain.state.id
    for n in range(3):
        laptop.write(home, f"{n}组")
        request = ask(laptop)
        take(laptop, answer(site, request))
        with laptop.vault.reading() as tx:
            genesis = kept.first_entry(tx, request.chain)
        assert genesis is not None
        assert (genesis.body or {})[chains.CITES][0] == before, "each goes on from the one before"
        before = request.chain
    laptop.sync()
    assert waiting(laptop) == 0
    assert groups(site)[home] == "2组"
    assert_same(site, laptop)


def test_the_same_request_gets_an_answer_again_and_no_second_record(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    request = ask(laptop)
    first, second = answer(site, request), answer(site, request)
    assert first.enrol == second.enrol
    with site.county.log.reading() as tx:
        table = TABLES[SIGNER.number]
        assert len(tx.execute(select(table).where(table.c.chain == request.chain)).all()) == 1
    take(laptop, second)
    laptop.sync()


def test_a_request_travels_as_the_text_of_a_code_too(enrol: Enrol) -> None:  # noqa: F811
    request = ask(enrol())
    text = base64.b64encode(request.encode())
    assert office.read(text[:60] + b"\r\n" + text[60:] + b"\n") == office.read(request.encode()) == request
    for data in (b"", b"x" * 50, text[:-4], request.encode()[:-1]):
        with pytest.raises(InputProblem, match="recovery-"):
            office.read(data)


def test_whom_the_county_does_not_answer(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    request = ask(laptop)
    words = " ".join(recovery.words(request.encode()))
    private = load_recovery(site.folder / "recovery.key")
    with site.county.log.reading():
        size = site.county.log.tree.size

    def refused(request: Request, *, private: bytes = private, said: str | None = None, by: Author = site.by) -> str:
        told = " ".join(recovery.words(request.encode())) if said is None else said
        with pytest.raises(HudangError) as error:
            office.recover(site.county, by, request, private, told)
        return error.value.code

    mine = Author(staff=request.staff, chain=laptop_chain(site, request.staff), seed=os.urandom(32))
    other = words.split()[1:] + words.split()[:1]
    assert refused(request, said=" ".join(other)) == "recovery-words"
    assert refused(request, said="") == "recovery-words"
    assert refused(request, private=os.urandom(32)) == "wrong-recovery-key"
    assert refused(request, by=mine) == "not-allowed"
    assert refused(replace(request, staff=os.urandom(16))) == "recovery-stranger"
    assert refused(replace(request, vault_id=os.urandom(16))) == "recovery-device"
    assert refused(replace(request, staff=site.staff("陆试三"))) == "recovery-device"
    assert refused(replace(request, recovery_sealed=os.urandom(80))) == "wrong-recovery-key"
    assert refused(replace(request, box_public=bytes(32))) == "recovery-damaged"
    with site.county.log.reading():
        assert site.county.log.tree.size == size, "a refusal leaves no record"
    administration.end_grants(site.county, site.by, request.staff)
    assert refused(request) == "recovery-no-grant"
    administration.add_grant(site.county, site.by, request.staff, "GRID", "云台镇", until="2020-01-01")
    assert refused(request) == "recovery-no-grant"
    administration.add_grant(site.county, site.by, request.staff, "GRID", "云台镇")
    with site.county.log.writing() as tx:
        revocation.revoke(site.county, site.by, tx, revocation.of_staff(tx, request.staff), "x")
    assert refused(request) == "recovery-device"
    assert_holds(site)


def test_who_was_let_go_gets_no_answer(site: Site, enrol: Enrol) -> None:  # noqa: F811
    """Whoever was let go and sits down at the locked laptop can still ask: of the slot file as it lies there now."""
    laptop = enrol()
    administration.add_staff(site.county, site.by, "网测二", "GRID", "云台镇/上坝村/第一网格")
    staff, vault = site.staff("网测二"), laptop.vault.vault_id
    with laptop.vault.reading() as tx:
        device = Connection.load(tx).device
    facts = {"staff": staff, "chain": os.urandom(16), "algorithm": 1, "public_key": os.urandom(32), "device": device}
    known = said("signer", os.urandom(16), facts)
    with site.county.log.writing() as tx:
        site.county.act(tx, site.by, [Deed(act=Act.ENROL, roots=[staff], said=[known])])
    request = replace(ask(laptop), staff=staff)
    private, words = load_recovery(site.folder / "recovery.key"), " ".join(recovery.words(request.encode()))
    office.recover(site.county, site.by, request, private, words)
    with site.county.log.writing() as tx:
        left = said("seat", os.urandom(16), {"staff": staff, "vault": vault, "epoch": 2})
        left = replace(left, values={**left.values, LIFE: None})
        site.county.act(tx, site.by, [Deed(act=Act.LEAVE, roots=[staff], said=[left])])
    for asked in (request, replace(request, nonce=os.urandom(16))):
        with pytest.raises(InputProblem, match="recovery-device"):
            office.recover(site.county, site.by, asked, private, " ".join(recovery.words(asked.encode())))


def test_an_old_request_does_not_bring_an_ended_key_back(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    request = ask(laptop)
    take(laptop, answer(site, request))
    laptop.sync()
    with site.county.log.writing() as tx:
        revocation.revoke(site.county, site.by, tx, revocation.of_chain(tx, request.chain.hex()), "丢了")
    with pytest.raises(InputProblem, match="recovery-ended"):
        answer(site, request)
    assert site.county.log.chain_head(request.chain).state == "revoked"


def test_old_keys_end_where_that_is_said_after_the_answer(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    old = laptop_chain(site, laptop.vault.staff)
    request = ask(laptop)
    first = answer(site, request)
    assert site.county.log.chain_head(old).state == "ok"
    for _ in range(2):
        assert answer(site, request, compromised=True).enrol == first.enrol
        assert site.county.log.chain_head(old).state == "revoked"
    take(laptop, first)
    assert laptop.sync().same
    assert_holds(site)


def laptop_chain(site: Site, staff: bytes) -> bytes:
    table = TABLES[SIGNER.number]
    with site.county.log.reading() as tx:
        chain: bytes = tx.execute(select(table.c.chain).where(table.c.staff == staff)).scalar_one()
        return chain


def test_without_both_copies_of_the_slots_only_a_backup_helps(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    staff, folder = laptop.vault.staff, laptop.vault.folder
    laptop.vault.lock()
    one, two = sorted(folder.glob("slots*"))[:2]
    saved = one.read_bytes(), two.read_bytes()
    one.unlink()
    request = recovery.begin(folder, staff, NEW, random=os.urandom, kdf=CHEAP)
    take(laptop, answer(site, request))
    laptop.sync()
    laptop.vault.lock()
    for path in (one, two):
        path.unlink(missing_ok=True)
    with pytest.raises(VaultProblem) as lost:
        recovery.begin(folder, staff, NEW, random=os.urandom, kdf=CHEAP)
    assert lost.value.code == "not-a-vault"
    two.write_bytes(saved[1])  # from a backup: of before, with the old password
    laptop.vault = Vault.unlock(folder, staff, PASSWORD)
    assert slotfile.read(folder).file.slots


# --- keys that end ---


def test_old_keys_in_other_hands_end_and_the_person_goes_on(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    home, *_ = sorted(laptop.groups())
    laptop.write(home, "一组")
    laptop.sync()
    fresh = os.urandom(16)
    laptop.write(home, "二组")
    laptop.write(fresh, "三组")
    request = ask(laptop)
    take(laptop, answer(site, request, compromised=True))
    laptop.write(home, "四组")
    report = laptop.sync()
    assert report.held == 2
    assert (groups(site)[home], groups(site).get(fresh)) == ("一组", None)
    assert laptop.groups()[home] == "四组"
    assert waiting(laptop) == 2
    decide_all(site, "AGREED", "REFUSED")
    report = laptop.sync()
    assert (report.held, waiting(laptop)) == (0, 0)
    assert fresh not in laptop.groups(), "what was refused is no fact here either"
    assert groups(site).get(fresh) is None
    assert laptop.sync().same
    assert_same(site, laptop)
    with laptop.vault.reading() as tx:
        acts = history.acts(tx)
    apart = [row for row in acts if row.apart]
    assert [row.seq for row in apart] == [3, 2], "the signed bytes stay"
    assert {row.position for row in apart} == {None}
    assert not acts[0].apart, "what counts no more does not stand on top as if it waited"


@pytest.mark.parametrize("outcomes", [("AGREED", "AGREED"), ("AGREED", "REFUSED"), ("REFUSED", "AGREED")])
def test_a_revoked_persons_unsent_work(site: Site, enrol: Enrol, outcomes: tuple[str, str]) -> None:  # noqa: F811
    laptop, other = enrol(), enrol("覃试二", "云台镇")
    home = min(laptop.groups())
    laptop.write(home, "一组")
    laptop.sync()
    laptop.write(home, "二组")
    laptop.write(home, "三组")
    with site.county.log.writing() as tx:
        revocation.revoke(site.county, site.by, tx, revocation.of_chain(tx, laptop.chain.state.id.hex()), "调走了")
    for _ in range(2):
        with pytest.raises(CountyRefusal, match="chain-held") as refused:
            laptop.exchange()
        assert refused.value.facts["held"] == 2
        assert (waiting(laptop), laptop.groups().get(home)) == (2, "三组")
    with site.county.log.reading() as tx:
        assert len(tx.execute(select(QUARANTINE)).all()) == 2
    other.sync()
    assert other.groups()[home] == "一组"
    decide_all(site, *outcomes)
    with pytest.raises(CountyRefusal, match="chain-revoked"):
        laptop.exchange()
    assert waiting(laptop) == 0
    other.sync()
    expected = "三组" if outcomes[1] == "AGREED" else "二组"
    assert groups(site)[home] == other.groups()[home] == expected
    laptop.assert_fold_is_tables()
    assert_same(site, other)


def test_a_lost_laptop_that_turns_up_hands_in_its_work(site: Site, enrol: Enrol) -> None:  # noqa: F811
    laptop = enrol()
    home = min(laptop.groups())
    laptop.write(home, "一组")
    with laptop.vault.reading() as tx:
        device = Connection.load(tx).device.hex()
    with site.county.log.writing() as tx:
        revocation.revoke(site.county, site.by, tx, revocation.of_device(tx, device), "丢了")
    photo = laptop.vault.store_attachment(os.urandom(1000), random=os.urandom)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    for _ in range(2):
        with pytest.raises(CountyRefusal, match="chain-held") as refused:
            laptop.exchange()
        assert refused.value.facts["held"] == 1
    with laptop.vault.reading() as tx:
        assert kept.undelivered_files(tx) == []
    decide_all(site, "AGREED")
    assert groups(site)[home] == "一组"
    with pytest.raises(CountyRefusal, match="chain-held"):
        laptop.exchange()  # it gets nothing any more, not even this
    assert_holds(site)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_meanwhile_both_sides_end_alike(site: Site, enrol: Enrol, seed: int) -> None:  # noqa: F811
    """Two laptops work on the same households, a key ends in the middle, decisions come at random between reports."""
    dice = chance.Random(seed)
    laptop, other = enrol(), enrol("覃试二", "云台镇")
    homes = sorted(laptop.groups())[:2]

    def work(one: Laptop) -> None:
        for _ in range(dice.randrange(1, 5)):
            one.write(dice.choice(homes), f"{dice.randrange(100)}组")

    def decide_some(share: float) -> None:
        while dice.random() < share:
            with site.county.log.reading() as tx:
                left = quarantine.waiting(tx)
            if not left:
                return
            decide_all(site, dice.choice([quarantine.AGREED, quarantine.REFUSED]))

    def report(one: Laptop) -> None:
        with contextlib.suppress(CountyRefusal):
            one.exchange()

    for one in (laptop, other, laptop):
        work(one)
        if dice.random() < 0.7:
            report(one)
    work(laptop)
    take(laptop, answer(site, ask(laptop), compromised=True))
    for _ in range(4):
        work(dice.choice([laptop, other]))
        report(dice.choice([laptop, other]))
        decide_some(0.6)
    report(laptop)
    decide_some(1.1)
    for one in (laptop, other, laptop):
        one.sync()
    assert waiting(laptop) == 0
    there = groups(site)
    for one in (laptop, other):
        assert {home: there.get(home) for home in homes} == {home: one.groups().get(home) for home in homes}
        assert live(one.vault, homes) == live(site.county.log, homes)
        one.assert_fold_is_tables()
    assert_holds(site)


@pytest.mark.parametrize("good_until", [None, 110])
def test_a_key_that_ends_while_its_work_is_on_the_way(
    site: Site,
    enrol: Enrol,  # noqa: F811
    good_until: int | None,
) -> None:
    laptop = enrol()
    home = min(laptop.groups())
    laptop.write_all([(home, f"{n}组") for n in range(150)])
    chain, last = laptop.chain.state.id, laptop.chain.state.next_seq
    line = laptop.county()
    running = exchange.run(laptop.vault, line, random=os.urandom)
    while laptop.chain.acknowledged < 30:
        next(running)
    with site.county.log.writing() as tx:
        revocation.revoke(site.county, site.by, tx, revocation.of_chain(tx, chain.hex()), "x", good_until)
    with pytest.raises(CountyRefusal, match="chain-held") as refused:
        finished(running)
    line.close()
    held, taken = refused.value.facts["held"], laptop.chain.acknowledged
    assert isinstance(held, int)
    assert taken + held == last
    assert good_until is None or taken == good_until + 1
    assert 30 <= taken < last
    with site.county.log.reading() as tx:
        assert site.county.log.chains[chain].next_seq == taken
        assert [one.seq for one in quarantine.waiting(tx)] == list(range(taken, last))
    assert waiting(laptop) == held
