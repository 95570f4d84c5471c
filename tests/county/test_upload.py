"""Upload: what the county takes, what it refuses, and that its log and tables never part."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from app.errors import ChainBroken, CountyRefusal, HudangError, TransportProblem
from app.ledger import chain as chains
from app.ledger import checkpoint as checkpoints
from app.ledger.act import Circumstances, Pen, Said, Signed, write, write_body
from app.ledger.entry import Act, Kind
from app.ledger.tree import verify_consistency, verify_range
from app.models.records.registry import BY_NAME
from app.models.store import Transaction, refold, state_hash
from app.models.tables import DERIVED, ENTRY, TABLES
from app.sync.protocol import Packet, Receipt
from county import administration, archive
from county.intake import Known, judge
from county.sequencer import Log
from county.tables import FORK, NODE
from tests.county.conftest import Site
from tests.county.laptop import NOW, Laptop, clock


def tables(tx: Transaction) -> dict[str, list[Any]]:
    """All derived tables after canonical sort."""
    return {t.name: sorted(map(repr, tx.execute(select(t)))) for t in DERIVED.sorted_tables if t.name != "stale"}


def check(site: Site, laptop: Laptop, receipt: Receipt) -> checkpoints.Checkpoint:
    """The receipt as a laptop checks it."""
    facts = site.county.facts
    said = checkpoints.verify(receipt.note, facts[chains.ORIGIN], facts[chains.LOG_KEY])
    seq = receipt.start
    for (first, count), proof in zip(receipt.runs, receipt.proofs, strict=True):
        ids = [signed.id for signed in laptop.log[seq : seq + count]]
        verify_range(first, ids, said.size, proof, said.root)
        seq += count
    return said


def count(site: Site, chain: bytes) -> int:
    with site.county.log.reading() as tx:
        return tx.scalar(select(func.count()).select_from(ENTRY).where(ENTRY.c.chain == chain)) or 0


def test_a_packet_is_taken_once_however_often_it_comes(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    for n in range(5):
        laptop.edit(home, "address_detail", f"{n} 号")
    first = laptop.send(0)
    before = check(site, laptop, first)
    again = laptop.send(0)
    assert again.runs == first.runs
    assert again.note == first.note
    laptop.edit(home, "address_detail", "9 号")
    laptop.size = before.size
    longer = laptop.send(6)
    after = check(site, laptop, longer)
    verify_consistency(before.size, before.root, after.size, after.root, longer.consistency)
    assert count(site, laptop.pen.chain.id) == 8
    head = laptop.wire.chain(laptop.pen.chain.id)
    assert (head.next_seq, head.head, head.state) == (8, laptop.log[-1].id, "ok")
    for _ in archive.verify_log(site.county):
        pass


def test_the_log_proves_itself_to_the_independent_verifier(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组", "village": site.area("云台镇/上坝村")})
    member = Said(kind=BY_NAME["member"].number, object=os.urandom(16), values={0: True, 1: home, 3: "莫测五"})
    laptop.act(home, [member])
    other = laptop.new_household({"villager_group": "二组"})
    moved = Said(kind=member.kind, object=member.object, values={1: other}, bases={1: [laptop.log[-2].id[:16]]})
    laptop.act(home, [moved])  # names only where it comes from
    laptop.act(home, [Said(kind=member.kind, object=member.object, values={3: "莫测六"})])
    laptop.act(home, [Said(kind=77, object=os.urandom(16), values={0: True, 5: "将来"})])
    laptop.act(laptop.staff, [Said(kind=4, object=os.urandom(16), values={0: True, 1: laptop.staff, 2: "ADMIN"})])
    laptop.send(0)
    steps = archive.verify_log(site.county)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            report = end.value
            break
    assert report.fault is None, report.fault.sentence()
    assert report.inert == 1


def test_a_gap_is_refused_with_the_next_number(laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    laptop.edit(home, "villager_group", "二组")
    with pytest.raises(CountyRefusal) as refused:
        laptop.send(2)
    assert (refused.value.code, refused.value.facts["expected"]) == ("chain-gap", 1)


def test_a_fork_is_refused_and_kept_as_evidence(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    fork = laptop.pen
    laptop.edit(home, "villager_group", "二组")
    laptop.send(0)
    said = Said(kind=8, object=home, values={4: "三组"})
    other, after = write(fork, Act.EDIT, [home], [said], Circumstances(wall=NOW), os.urandom)
    wire = laptop.wire
    with pytest.raises(CountyRefusal) as refused:
        wire.send(Packet(fork.chain.id, 2, ((other.data, other.signature, other.payload),)), 0)
    assert refused.value.code == "chain-forked"
    onward, _ = write(after, Act.EDIT, [home], [said], Circumstances(wall=NOW), os.urandom)
    with pytest.raises(CountyRefusal, match="chain-forked"):
        wire.send(Packet(fork.chain.id, 3, ((onward.data, onward.signature, onward.payload),)), 0)
    assert wire.chain(fork.chain.id).state == "forked"
    with site.county.log.reading() as tx:
        kept = tx.execute(select(FORK)).all()
    assert [row.entry for row in kept] == [other.data, onward.data]
    assert count(site, fork.chain.id) == 3
    wire.close()


def test_another_persons_signature_is_no_fork(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    thief = Pen(chain=laptop.pen.chain, seed=os.urandom(32))
    forged, _ = write(thief, Act.EDIT, [home], [Said(kind=8, object=home, values={4: "三组"})], _at(), os.urandom)
    with pytest.raises(CountyRefusal, match="bad-signature"):
        laptop.wire.send(Packet(thief.chain.id, 2, ((forged.data, forged.signature, forged.payload),)), 0)
    assert laptop.wire.chain(thief.chain.id).state == "ok"


def _at() -> Circumstances:
    return Circumstances(wall=NOW)


def test_a_laptop_may_not_write_heads(laptop: Laptop) -> None:
    signed, _ = write_body(laptop.pen, Kind.HEADS, {1: 1, 2: bytes(32)}, _at())
    with pytest.raises(CountyRefusal, match="kind-refused"):
        laptop.wire.send(Packet(laptop.pen.chain.id, 1, ((signed.data, signed.signature, signed.payload),)), 0)


def test_a_strange_value_is_stored_not_refused(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组", "identified_month": "2026-99", "member_count": -7})
    laptop.send(0)
    table = TABLES[8]
    with site.county.log.reading() as tx:
        row = tx.execute(select(table).where(table.c.id == home)).one()
    assert (row.identified_month, row.member_count) == ("2026-99", -7)


@pytest.mark.parametrize(
    ("act", "kind", "number", "wall"),
    [(2**31, 8, 4, NOW), (3, 2**63, 4, NOW), (3, 8, 2**31, NOW), (3, 8, 4, 2**63), (3, 8, 4, -(2**63))],
)
def test_numbers_that_no_table_holds_are_refused(
    site: Site, laptop: Laptop, act: int, kind: int, number: int, wall: int
) -> None:
    home = os.urandom(16)
    said = Said(kind=kind, object=home, values={number: "一组"})
    signed, _ = write(laptop.pen, act, [home], [said], Circumstances(wall=wall), os.urandom)
    packet = Packet(laptop.pen.chain.id, 1, ((signed.data, signed.signature, signed.payload),))
    line = laptop.wire
    if wall == -(2**63):
        assert line.send(packet, 0).runs
    else:
        with pytest.raises(CountyRefusal, match="entry-form"):
            line.send(packet, 0)
    line.close()


def test_a_size_that_the_county_never_had_is_refused(laptop: Laptop) -> None:
    laptop.size = 10_000
    with pytest.raises(CountyRefusal) as refused:
        laptop.send(0)
    assert (refused.value.code, refused.value.facts["shown"]) == ("log-shorter", 10_000)


def test_nobody_uploads_without_a_known_device(laptop: Laptop) -> None:
    laptop.seed = os.urandom(32)
    with pytest.raises(CountyRefusal, match="not-authorised"):
        laptop.send(0)


def test_the_work_of_an_ended_key_is_held(site: Site, laptop: Laptop) -> None:
    laptop.send(0)
    signer = TABLES[BY_NAME["signer"].number]
    with site.county.log.writing() as tx:
        row = tx.execute(select(signer).where(signer.c.chain == laptop.pen.chain.id)).one()
        end = Said(kind=BY_NAME["signer"].number, object=row.id, values={0: None}, bases={0: [row.born]})
        deed = administration.Deed(act=Act.END, roots=[laptop.staff], said=[end])
        site.county.act(tx, site.by, [deed])
    laptop.new_household({"villager_group": "一组"})
    with pytest.raises(CountyRefusal, match="chain-held"):
        laptop.send(0)
    head = laptop.wire.chain(laptop.pen.chain.id)
    assert (head.state, head.next_seq, head.held) == ("revoked", 1, 1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_bad_bytes_are_refused_and_change_nothing(site: Site, laptop: Laptop, data: st.DataObject) -> None:
    if len(laptop.log) == 1:
        laptop.edit(laptop.new_household({"villager_group": "一组"}), "villager_group", "二组")
    whole = laptop.packet(0).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    body = whole[:at] if cut else bytes(flipped)
    if _means_the_same(body, laptop.packet(0)):
        return
    size = site.county.log.tree.size
    wire = laptop.wire
    target = f"/v1/chains/{laptop.pen.chain.id.hex()}/entries?size=0"
    with pytest.raises(HudangError) as refused:
        wire._ask(Receipt, "POST", target, body)
    assert isinstance(refused.value, CountyRefusal | TransportProblem)
    wire.close()
    assert site.county.log.tree.size == size


def _means_the_same(body: bytes, packet: Packet) -> bool:
    """A byte of the compression's own frame may flip without any loss."""
    try:
        return Packet.decode(body) == packet
    except ChainBroken:
        return False


def test_a_flipped_node_is_noticed_before_anything_is_signed(site: Site, laptop: Laptop) -> None:
    laptop.new_household({"villager_group": "一组"})
    log = site.county.log
    size = log.tree.size
    top = max(level for level in range(size.bit_length()) if size >> level & 1)
    with log.writing() as tx:
        wrong = update(NODE).where(NODE.c.level == top, NODE.c.number == 0)
        tx.execute(wrong.values(hash=os.urandom(32)))
    with pytest.raises(TransportProblem, match="county-busy"):
        laptop.send(0)
    with log.reading():
        assert log.tree.size == size


def test_a_failed_transaction_leaves_nothing_in_memory(site: Site, laptop: Laptop) -> None:
    laptop.new_household({"villager_group": "一组"})
    log: Log = site.county.log
    known = dict(log.roots), log.tree.size, dict(log.chains)

    held = Known(chain=log.chains[laptop.pen.chain.id], ids={0: laptop.log[0].id})
    judged = judge(laptop.packet(0), held)

    def cut() -> None:
        with log.writing() as tx:
            log.append(tx, judged)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        cut()
    with log.reading():
        assert (dict(log.roots), log.tree.size, dict(log.chains)) == known
    check(site, laptop, laptop.send(0))


def test_the_tables_are_the_fold_of_the_log(site: Site, new_laptop: Callable[..., Laptop]) -> None:
    one, two = new_laptop(), new_laptop("陆试三", "云台镇/上坝村/第二网格")
    home = one.new_household({"villager_group": "一组"})
    one.send(0)
    for n in range(40):
        for laptop in (one, two):
            laptop.edit(home, "address_detail", f"{n % 7} 号", [one.log[1].id[:16]] if n % 3 else ())
        if n % 9 == 0:
            two.send(0)
            one.send(0)
    one.send(0)
    two.send(0)
    with site.county.log.writing() as tx:
        before, hashed = tables(tx), state_hash(tx)
        for _ in refold(tx):
            pass
        assert tables(tx) == before
        assert state_hash(tx) == hashed


def test_the_county_goes_on_where_it_was_after_a_restart(site: Site, laptop: Laptop) -> None:
    laptop.new_household({"villager_group": "一组"})
    laptop.send(0)
    log = site.county.log
    with log.reading():
        before = log.note(), log.heads(), dict(log.roots), dict(log.chains)
    fresh = Log(log.file, log.keys, clock)
    with fresh.reading():
        assert (fresh.note(), fresh.heads(), dict(fresh.roots), dict(fresh.chains)) == before


def test_two_packets_of_one_chain_at_once_are_no_fork(site: Site, laptop: Laptop) -> None:
    home = laptop.new_household({"villager_group": "一组"})
    for n in range(60):
        laptop.edit(home, "address_detail", f"{n} 号")
    receipts: list[Receipt] = []
    threads = [threading.Thread(target=lambda: receipts.append(laptop.send(0))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({receipt.runs for receipt in receipts}) == 1
    assert len(receipts) == 4
    assert count(site, laptop.pen.chain.id) == 62


def test_a_chain_that_nobody_enrolled_is_unknown(laptop: Laptop) -> None:
    with pytest.raises(CountyRefusal, match="chain-unknown"):
        laptop.wire.chain(os.urandom(16))


def test_chain_broken_codes_reach_the_laptop(laptop: Laptop) -> None:
    signed: Signed = laptop.act(os.urandom(16), [Said(kind=8, object=os.urandom(16), values={4: "一组"})])
    other = laptop.act(os.urandom(16), [Said(kind=8, object=os.urandom(16), values={4: "二组"})])
    packet = Packet(laptop.pen.chain.id, 1, ((signed.data, signed.signature, other.payload),))
    with pytest.raises(CountyRefusal) as refused:
        laptop.wire.send(packet, 0)
    assert refused.value.code == "commitment"
    assert issubclass(ChainBroken, HudangError)
