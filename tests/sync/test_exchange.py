"""The exchange against a county that misbehaves: nothing lost, nothing twice, nothing believed unproved."""

from __future__ import annotations

import contextlib
import os
import random as chance
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from app.errors import ChainBroken, CountyRefusal, HudangError, TransportProblem
from app.ledger import checkpoint as checkpoints
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models.fields import RecordKind
from app.models.records.registry import BY_NAME
from app.sync import exchange, journal
from app.sync.protocol import Delivery, Packet, Receipt
from app.vault import kept
from tests.county_simulator import (
    BUSY,
    HTML,
    LOSE_ANSWER,
    LOSE_REQUEST,
    NOTHING,
    ORIGIN,
    Cutter,
    SimulatedCounty,
    Trick,
    serving,
)
from tests.sync.conftest import Scene
from tests.sync.laptops import Laptop, clock, finished


def household(n: int) -> bytes:
    """A household's id."""
    return bytes([n + 1]) * 16


def assert_same_log(county: SimulatedCounty, laptop: Laptop) -> None:
    """The chain stands at the county whole, once, in order."""
    assert county.chain_ids(laptop.chain.state.id) == laptop.chain_ids()
    assert laptop.chain.acknowledged == laptop.chain.state.next_seq


def test_what_is_written_arrives_once_and_in_order(scene: Scene) -> None:
    laptop = scene.enrol()
    for n in range(30):
        laptop.write(household(n % 5), f"第{n}组")
    report = laptop.sync()
    assert report.sent == 30
    assert report.same
    assert report.receipt is not None
    assert report.offset_ms == 86_400_000
    assert set(report.touched.roots) >= {household(n) for n in range(5)}
    assert laptop.chain.acknowledged == 31
    assert_same_log(scene.county, laptop)
    laptop.assert_fold_is_tables()
    assert laptop.sync().sent == 0


def test_an_exchange_with_nothing_new_asks_little(scene: Scene) -> None:
    laptop = scene.enrol()
    scene.county.requests.clear()
    laptop.sync()
    assert len(scene.county.requests) == 3  # greeting, head of the chain, one page


def test_two_laptops_converge(scene: Scene) -> None:
    first, second = scene.enrol("first"), scene.enrol("second")
    first.write(household(0), "一组")
    first.sync()
    second.sync()
    assert second.groups() == {household(0): "一组"}
    first.write(household(0), "二组")  # neither knows of the other
    second.write(household(0), "三组")
    second.write(household(1), "四组")
    for laptop in (first, second, first, second):
        assert laptop.sync().same
    assert first.tables() == second.tables()
    assert first.state_hash() == second.state_hash()
    assert first.groups() == {household(0): "二组", household(1): "四组"}
    for laptop in (first, second):
        laptop.assert_fold_is_tables()


# --- cut off anywhere ---


@pytest.mark.parametrize("trick", [LOSE_REQUEST, LOSE_ANSWER, HTML, BUSY])
def test_whichever_request_fails_the_next_exchange_makes_up_for_it(scene: Scene, trick: Trick) -> None:
    laptop = scene.enrol()
    for failing in range(4):
        for n in range(3):
            laptop.write(household(n), f"{failing}")
        scene.county.tricks.extend([Trick()] * failing + [trick])
        with pytest.raises(TransportProblem):
            laptop.exchange()
        scene.county.tricks.clear()
        laptop.sync()
        assert_same_log(scene.county, laptop)
    laptop.assert_fold_is_tables()


def test_an_exchange_may_be_stopped_at_any_step(scene: Scene) -> None:
    laptop = scene.enrol()
    other = scene.enrol("other")
    for n in range(120):
        other.write(household(n % 3), f"{n}")
    other.sync()
    for steps in range(9):
        for n in range(5):
            laptop.write(household(n), f"{steps} {n}")
        laptop.exchange(steps)
        laptop.assert_fold_is_tables()
    assert laptop.sync().same
    assert_same_log(scene.county, laptop)


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 2**32))
def test_whatever_happens_both_logs_end_equal(seed: int) -> None:
    """Two laptops write, exchange, are stopped, lose requests and answers, are killed and opened again."""
    r = chance.Random(seed)
    county = SimulatedCounty(seed)
    county.page = r.choice([3, 7, 40])
    with tempfile.TemporaryDirectory() as scratch, serving(county) as base:
        folders = [Path(scratch, name) for name in ("a", "b")]
        laptops = [Laptop.enrol(county.invite(base), folder, seed=n) for n, folder in enumerate(folders)]
        for _ in range(10):
            n = r.randrange(2)
            for _ in range(r.randrange(4)):
                laptops[n].write(household(r.randrange(3)), r.choice("甲乙丙丁"))
            what = r.randrange(5)
            if what == 0:
                laptops[n].vault.lock()
                laptops[n] = Laptop.unlock(folders[n], seed=r.randrange(2**32))
            elif what == 1:
                laptops[n].exchange(r.randrange(6))
            else:
                for _ in range(r.randrange(3)):
                    county.tricks.extend([Trick()] * r.randrange(4) + [r.choice([LOSE_REQUEST, LOSE_ANSWER, BUSY])])
                with contextlib.suppress(TransportProblem):
                    laptops[n].exchange()
                county.tricks.clear()
        for laptop in (*laptops, *laptops):
            assert laptop.sync().same
        for laptop in laptops:
            assert_same_log(county, laptop)
            laptop.assert_fold_is_tables()
        assert laptops[0].tables() == laptops[1].tables()
        assert len(set(county.log.leaves)) == len(county.log.leaves)
        for laptop in laptops:
            laptop.vault.lock()


def test_a_line_that_breaks_at_any_byte_costs_nothing(scene: Scene) -> None:
    laptop = scene.enrol()
    cutter = Cutter(urlsplit(scene.base).port or 0)
    laptop.base = cutter.base
    try:
        for number, limit in enumerate([0, 1, 17, 250, 399, 400, 401, 700, 900, 1100, 1400, 1700, 2100]):
            for up in (True, False):
                laptop.write(household(number % 3), f"{limit}")
                cutter.limit, cutter.up = limit, up
                with pytest.raises(TransportProblem):
                    laptop.exchange()
                assert set(laptop.chain_ids()) >= set(scene.county.chain_ids(laptop.chain.state.id))
        cutter.limit = None
        assert laptop.sync().same
    finally:
        cutter.close()
    assert_same_log(scene.county, laptop)


# --- what is not believed ---


def forged(change: Callable[[Receipt], Receipt]) -> Trick:
    """A receipt that was changed on the way."""
    return Trick(forge=lambda body: change(Receipt.decode(body)).encode())


def other_note(note: bytes, seed: bytes) -> bytes:
    """The same checkpoint signed by somebody else."""
    told = checkpoints.parse(note).checkpoint
    return checkpoints.make(ORIGIN, told.size, told.root, seed)


def other_root(note: bytes, seed: bytes) -> bytes:
    """A checkpoint of another tree, signed by the county itself."""
    told = checkpoints.parse(note).checkpoint
    return checkpoints.make(ORIGIN, told.size, bytes(32), seed)


FORGERIES: dict[str, Callable[[Receipt, bytes], Receipt]] = {
    "signed by another": lambda r, seed: replace(r, note=other_note(r.note, bytes(32))),
    "another tree": lambda r, seed: replace(r, note=other_root(r.note, seed)),
    "another place": lambda r, seed: replace(r, runs=tuple((at + 1, n) for at, n in r.runs)),
    "another chain": lambda r, seed: replace(r, chain=bytes(16)),
    "another start": lambda r, seed: replace(r, start=r.start + 1),
    "too short": lambda r, seed: replace(r, runs=((r.runs[0][0], 1),), proofs=r.proofs[:1]),
    "more than there is": lambda r, seed: replace(r, runs=((r.runs[0][0], 999),), proofs=r.proofs[:1]),
    "no proof": lambda r, seed: replace(r, proofs=tuple(() for _ in r.proofs)),
    "no consistency": lambda r, seed: replace(r, consistency=()),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_receipt_settles_nothing(scene: Scene, name: str) -> None:
    laptop = scene.enrol()
    laptop.write(household(0), "一组")
    laptop.sync()
    for n in range(4):
        laptop.write(household(0), f"{n}")
    before = laptop.chain.acknowledged
    forgery = forged(lambda receipt: FORGERIES[name](receipt, scene.county.log_seed))
    scene.county.tricks.extend([Trick(), Trick(), forgery])
    with pytest.raises(ChainBroken):
        laptop.exchange()
    assert laptop.chain.acknowledged == before
    laptop.write(household(0), "还能录入")
    laptop.sync()
    assert_same_log(scene.county, laptop)


def test_a_checkpoint_of_somebody_else_ends_the_exchange(scene: Scene) -> None:
    laptop = scene.enrol()
    scene.county.log_seed, kept_seed = bytes(32), scene.county.log_seed
    with pytest.raises(ChainBroken, match="checkpoint-unsigned"):
        laptop.exchange()
    scene.county.log_seed = kept_seed
    laptop.sync()


def test_a_county_that_was_set_back_raises_the_alarm_and_work_goes_on(scene: Scene) -> None:
    laptop = scene.enrol()
    laptop.write(household(0), "一组")
    backup = scene.county.log.copy()
    laptop.sync()
    now, scene.county.log = scene.county.log, backup
    with pytest.raises(ChainBroken, match="county-went-back"):
        laptop.exchange()
    laptop.write(household(0), "二组")
    scene.county.log = now
    laptop.sync()
    assert_same_log(scene.county, laptop)


def test_a_county_that_rewrote_its_log_is_caught(scene: Scene) -> None:
    laptop = scene.enrol()
    other = scene.enrol("other")
    backup = scene.county.log.copy()
    laptop.write(household(0), "一组")
    laptop.sync()
    scene.county.log = backup
    for n in range(9):
        other.write(household(1), f"{n}")
    other.sync()  # the log is longer again than the one that the first laptop saw
    with pytest.raises(ChainBroken, match=r"consistency-proof-wrong|county-went-back"):
        laptop.exchange()


def test_a_delivered_entry_that_was_changed_is_refused(scene: Scene) -> None:
    writer, reader = scene.enrol("writer"), scene.enrol("reader")
    writer.write(household(0), "一组")
    writer.sync()

    def swap(body: bytes) -> bytes:
        page = Delivery.decode(body)
        last = page.entries[-1]
        changed = replace(last, payload=last.payload[:-3] + bytes([last.payload[-3] ^ 1]) + last.payload[-2:])
        return replace(page, entries=(*page.entries[:-1], changed)).encode()

    before = reader.tables()
    scene.county.tricks.extend([Trick(), Trick(), Trick(forge=swap)])
    with pytest.raises(ChainBroken):
        reader.exchange()
    assert reader.tables() == before
    reader.sync()
    assert reader.tables() == writer.tables()


# --- disks that were set back, people who went ---


def test_a_laptop_restored_from_an_old_backup_takes_up_its_own_entries(scene: Scene) -> None:
    laptop = scene.enrol()
    laptop.write(household(0), "一组")
    laptop.sync()
    laptop.vault.lock()
    shutil.copytree(laptop.vault.folder, scene.folder / "backup")
    laptop = Laptop.unlock(laptop.vault.folder)
    laptop.write(household(0), "二组")
    laptop.write(household(1), "三组")
    laptop.sync()
    wanted, chain = laptop.tables(), laptop.chain
    laptop.vault.lock()

    restored = Laptop.unlock(scene.folder / "backup")
    assert restored.sync().same
    assert restored.tables() == wanted
    assert restored.chain.state == chain.state
    restored.write(household(0), "四组")
    restored.sync()
    assert_same_log(scene.county, restored)
    restored.vault.lock()


def test_a_restored_laptop_that_was_written_in_is_a_fork(scene: Scene) -> None:
    laptop = scene.enrol()
    laptop.vault.lock()
    shutil.copytree(laptop.vault.folder, scene.folder / "clone")
    laptop, clone = Laptop.unlock(laptop.vault.folder), Laptop.unlock(scene.folder / "clone")
    laptop.write(household(0), "一组")
    clone.write(household(0), "二组")
    laptop.sync()
    with pytest.raises(CountyRefusal, match="chain-forked"):
        clone.exchange()
    assert clone.groups()[household(0)] == "二组"  # nothing is taken from the person
    with pytest.raises(CountyRefusal, match="chain-forked"):
        laptop.exchange()
    for each in (laptop, clone):
        each.vault.lock()


def test_a_revoked_chain_hands_in_and_still_receives(scene: Scene) -> None:
    laptop, other = scene.enrol("laptop"), scene.enrol("other")
    other.write(household(0), "一组")
    other.sync()
    laptop.write(household(1), "二组")
    laptop.sync()
    scene.county.revoked.add(laptop.chain.state.id)
    with pytest.raises(CountyRefusal, match="chain-revoked"):
        laptop.exchange()
    for n in range(2, 5):
        laptop.write(household(1), f"{n}组")
        other.write(household(0), f"{n}组")
        other.sync()
        for _ in range(2):  # the second time nothing is sent again
            with pytest.raises(CountyRefusal, match="chain-held") as refused:
                laptop.exchange()
            assert refused.value.facts["held"] == n - 1
        assert laptop.groups() == {household(0): f"{n}组", household(1): f"{n}组"}
    assert laptop.chain.acknowledged == 2
    with laptop.vault.reading() as tx:
        assert kept.waiting(tx) == 3  # it stays unsent here


def test_what_was_taken_before_a_chain_was_ended_still_gets_its_receipt(scene: Scene) -> None:
    laptop = scene.enrol()
    laptop.write(household(0), "一组")
    chain = laptop.chain.state.id
    with laptop.vault.reading() as tx:
        first = kept.sealed_from(tx, chain, 0, 9)
    scene.county.receive(Packet(chain, 0, tuple(first)), 0)  # and the answer was lost
    laptop.write(household(0), "二组")
    scene.county.revoked.add(chain)
    with pytest.raises(CountyRefusal, match="chain-held") as refused:
        laptop.exchange()
    assert (refused.value.facts["held"], laptop.chain.acknowledged) == (1, 2)


def test_the_end_of_a_colleagues_chain_does_not_stop_an_exchange(scene: Scene) -> None:
    laptop = scene.enrol()
    with laptop.vault.transaction() as tx:
        colleague = journal.begin(tx, os.urandom(32), os.urandom(16), os.urandom(16), clock(), 1)
    scene.county.take((colleague.data, colleague.signature, NOTHING))
    laptop.write(household(0), "一组")
    assert laptop.sync().held == 0
    scene.county.revoked.add(colleague.entry.chain)
    assert laptop.sync().held == 0


@pytest.mark.parametrize(("protocols", "code"), [((2, 3), "program-too-old"), ((0, 0), "county-too-old")])
def test_versions_that_do_not_fit_are_told(scene: Scene, protocols: tuple[int, int], code: str) -> None:
    laptop = scene.enrol()
    scene.county.protocols = protocols
    with pytest.raises(CountyRefusal, match=code):
        laptop.exchange()


# --- coming and going of households ---


def test_a_household_that_leaves_and_comes_back(scene: Scene) -> None:
    laptop, other = scene.enrol("laptop"), scene.enrol("other")
    for n in range(3):
        other.write(household(n), f"{n}组")
    other.sync()
    laptop.sync()
    scene.county.outside.add(household(1))
    report = laptop.sync()
    assert report.same
    assert household(1) in report.touched.roots
    assert set(laptop.groups()) == {household(0), household(2)}
    laptop.assert_fold_is_tables()
    other.write(household(1), "新组")
    other.exchange(3)
    scene.county.outside.clear()
    other.sync()
    assert laptop.sync().same
    assert laptop.tables() == other.tables()
    laptop.assert_fold_is_tables()


def test_an_act_on_two_households_of_which_one_leaves_and_comes_back(scene: Scene) -> None:
    laptop, other = scene.enrol("laptop"), scene.enrol("other")
    kind = BY_NAME["household"]
    both = [said_of(kind, household(n), {"villager_group": f"{n}组"}) for n in range(2)]
    with other.vault.transaction() as tx:
        author = journal.author_of(tx, other.vault.signing_seed, 1)
        roots = [household(0), household(1)]
        journal.append(tx, author, Act.CREATE, roots, both, clock(), other.chance.randbytes)
    other.sync()
    laptop.sync()
    scene.county.outside.add(household(1))
    assert laptop.sync().same
    assert laptop.groups() == {household(0): "0组"}
    finished(journal.recheck(laptop.vault))
    assert laptop.groups() == {household(0): "0组"}
    scene.county.outside.clear()
    assert laptop.sync().same
    assert laptop.tables() == other.tables()
    laptop.assert_fold_is_tables()


def test_a_household_with_unsent_work_leaves_only_behind_it(scene: Scene) -> None:
    laptop, other = scene.enrol("laptop"), scene.enrol("other")
    other.write(household(0), "一组")
    other.sync()
    laptop.sync()
    laptop.write(household(0), "二组")
    scene.county.outside.add(household(0))
    laptop.sync()
    assert household(0) not in laptop.groups()
    assert_same_log(scene.county, laptop)
    laptop.assert_fold_is_tables()


def test_what_an_administrator_did_counts_even_if_the_grant_comes_behind_it(scene: Scene) -> None:
    admin, reader = scene.enrol("admin"), scene.enrol("reader")
    staff, area = admin.vault.staff, b"a" * 16
    scene.county.outside.update((staff, area))
    reader.sync()
    signer, grant, place = BY_NAME["signer"], BY_NAME["grant"], BY_NAME["area"]
    tie = {"staff": staff, "chain": admin.chain.state.id, "algorithm": 1, "public_key": admin.chain.state.public_key}
    said = [said_of(signer, b"s" * 16, tie), said_of(grant, b"g" * 16, {"staff": staff, "role": "ADMIN"})]
    scene.county.outside.clear()
    scene.county.act(Act.GRANT, [staff], said)
    admin.sync()
    named = said_of(place, area, {"level": "GRID", "name": "第九网格"})
    with admin.vault.transaction() as tx:
        author = journal.author_of(tx, admin.vault.signing_seed, 1)
        journal.append(tx, author, Act.SET_UP, [area], [named], clock(), admin.chance.randbytes)
    assert admin.tables()["area"] == []  # nothing until the county placed it
    admin.sync()
    assert len(admin.tables()["area"]) == 1
    scene.county.backwards, scene.county.page = True, 1
    assert reader.sync().same
    assert reader.tables() == admin.tables()
    for laptop in (admin, reader):
        laptop.assert_fold_is_tables()


def said_of(kind: RecordKind, object_id: bytes, values: dict[str, Any]) -> Said:
    """A new object with these values."""
    numbered = {kind.field(name).number: value for name, value in values.items()}
    return Said(kind=kind.number, object=object_id, values={0: True, **numbered})


# --- cards and files ---


def test_cards_of_the_workplace_come_into_stock_once(scene: Scene) -> None:
    laptop = scene.enrol()
    scene.county.issue_pool("AB12", 5)
    assert laptop.sync().cards == 5
    assert laptop.sync().cards == 0
    with laptop.vault.reading() as tx:
        assert kept.cards_left(tx) == 5
        assert kept.stocked_pools(tx) == {"AB12"}


def test_a_pool_that_the_county_did_not_sign_never_reaches_a_door(scene: Scene) -> None:
    laptop = scene.enrol()
    scene.county.issue_pool("AB12", 3, tamper=True)
    with pytest.raises(ChainBroken, match="pool-damaged"):
        laptop.exchange()
    with laptop.vault.reading() as tx:
        assert kept.cards_left(tx) == 0


def test_photos_arrive_whole_wherever_the_line_breaks(scene: Scene) -> None:
    laptop = scene.enrol()
    plain = os.urandom(200_000)
    photo = laptop.vault.store_attachment(plain, random=os.urandom)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    for failing, trick in ((3, LOSE_REQUEST), (4, LOSE_ANSWER), (5, LOSE_ANSWER), (4, LOSE_ANSWER)):
        scene.county.tricks.extend([Trick()] * failing + [trick])
        with pytest.raises(TransportProblem):
            laptop.exchange()
        scene.county.tricks.clear()
    laptop.sync()
    assert scene.county.blobs[photo.upload_digest.hex()] == laptop.vault.sealed_attachment(photo.name)
    assert scene.county.parts == {}
    with laptop.vault.reading() as tx:
        assert kept.undelivered_files(tx) == []
    scene.county.requests.clear()
    assert laptop.sync().files == 0


def test_rubbish_left_at_the_county_is_replaced_by_the_photo(scene: Scene) -> None:
    laptop = scene.enrol()
    photo = laptop.vault.store_attachment(os.urandom(70_000), random=os.urandom)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    scene.county.parts[photo.upload_digest.hex()] = bytes(1000)
    assert laptop.sync().files == 1
    assert scene.county.blobs[photo.upload_digest.hex()] == laptop.vault.sealed_attachment(photo.name)


def test_a_photo_lost_on_this_disk_holds_up_no_other(scene: Scene) -> None:
    laptop = scene.enrol()
    photos = [laptop.vault.store_attachment(os.urandom(1000), random=os.urandom) for _ in range(2)]
    with laptop.vault.transaction() as tx:
        for photo in photos:
            kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
    laptop.vault.discard_attachment(photos[0].name)
    report = laptop.sync()
    assert (report.files, report.unreadable) == (1, 1)


# --- waiting ---


@given(attempt=st.integers(1, 60), draw=st.binary(min_size=8, max_size=8), asked=st.integers(0, 3600))
def test_waits_are_spread_and_bounded(attempt: int, draw: bytes, asked: int) -> None:
    wait = exchange.wait_ms(attempt, lambda count: draw[:count], asked_s=asked)
    assert asked * 1000 <= wait <= asked * 1000 + min(15 * 60_000, 2000 * 2 ** (attempt - 1))


def test_only_what_may_pass_is_tried_again() -> None:
    again: list[HudangError] = [TransportProblem("county-slow"), TransportProblem("not-the-county")]
    never: list[HudangError] = [TransportProblem("wrong-certificate"), CountyRefusal("x"), ChainBroken("x")]
    assert all(exchange.is_temporary(error) for error in again)
    assert not any(exchange.is_temporary(error) for error in never)
