"""The journal: what is appended holds together, what was tampered with on the disk is named."""

from __future__ import annotations

import pytest
from sqlalchemy import delete, select, update

from app.errors import ChainBroken
from app.ledger.act import Said
from app.ledger.entry import Act, decode_entry, entry_id
from app.models.records.registry import BY_NAME
from app.models.tables import DERIVED, ENTRY, PAYLOAD
from app.sync import journal
from app.sync.journal import Author
from tests.sync.conftest import Scene
from tests.sync.laptops import Laptop, clock, finished


def busy(scene: Scene) -> Laptop:
    """A laptop with settled and with waiting work."""
    laptop = scene.enrol()
    for n in range(5):
        laptop.write(bytes([n + 1]) * 16, f"{n}组")
    laptop.sync()
    for n in range(5):
        laptop.write(bytes([n + 1]) * 16, f"新{n}组")
    return laptop


def test_a_colleagues_chain_cannot_be_written_with_my_key(scene: Scene) -> None:
    mine, theirs = scene.enrol("mine"), scene.enrol("theirs")
    author = Author(staff=mine.vault.staff, chain=mine.chain.state.id, seed=theirs.vault.signing_seed)
    kind = BY_NAME["household"]
    said = [Said(kind=kind.number, object=bytes(16), values={0: True})]
    with pytest.raises(ChainBroken, match="chain-foreign"), mine.vault.transaction() as tx:
        journal.append(tx, author, Act.CREATE, [bytes(16)], said, clock(), mine.chance.randbytes)
    with pytest.raises(ChainBroken, match="chain-foreign"), mine.vault.reading() as tx:
        journal.author_of(tx, theirs.vault.signing_seed, 1)


def test_a_recheck_mends_tables_that_do_not_follow_from_the_log(scene: Scene) -> None:
    laptop = busy(scene)
    wanted = laptop.tables()
    with laptop.vault.transaction() as tx:
        tx.execute(update(DERIVED.tables["household"]).values(villager_group="改掉"))
    assert laptop.tables() != wanted
    finished(journal.recheck(laptop.vault))
    assert laptop.tables() == wanted


def test_a_recheck_that_is_stopped_changes_nothing(scene: Scene) -> None:
    laptop = busy(scene)
    wanted = laptop.tables()
    steps = journal.recheck(laptop.vault)
    next(steps)
    steps.close()
    assert laptop.tables() == wanted
    laptop.write(bytes([1]) * 16, "还能写")


def test_a_tail_that_is_gone_is_told(scene: Scene) -> None:
    laptop = busy(scene)
    with laptop.vault.transaction() as tx:
        last = tx.scalar(select(ENTRY.c.id).order_by(ENTRY.c.seq.desc()).limit(1))
        tx.execute(delete(ENTRY).where(ENTRY.c.id == last))
    with pytest.raises(ChainBroken, match="chain-tail"):
        finished(journal.recheck(laptop.vault))


def test_an_entry_that_is_gone_in_the_middle_is_told(scene: Scene) -> None:
    laptop = busy(scene)
    chain = laptop.chain.state.id
    with laptop.vault.transaction() as tx:
        tx.execute(delete(ENTRY).where(ENTRY.c.chain == chain, ENTRY.c.seq == 3))
    with pytest.raises(ChainBroken, match="chain-gap"):
        finished(journal.recheck(laptop.vault))


def test_bytes_that_were_changed_are_told(scene: Scene) -> None:
    laptop = busy(scene)
    chain = laptop.chain.state.id
    with laptop.vault.transaction() as tx:
        row = tx.execute(select(ENTRY.c.id, ENTRY.c.data).where(ENTRY.c.chain == chain, ENTRY.c.seq == 4)).one()
        changed = row.data[:-1] + bytes([row.data[-1] ^ 1])
        decode_entry(changed)
        tx.execute(update(ENTRY).where(ENTRY.c.id == row.id).values(data=changed, id=entry_id(changed)))
        tx.execute(update(PAYLOAD).where(PAYLOAD.c.id == row.id).values(id=entry_id(changed)))
    with pytest.raises(ChainBroken):
        finished(journal.recheck(laptop.vault))


def test_a_value_that_was_changed_is_told(scene: Scene) -> None:
    laptop = busy(scene)
    chain = laptop.chain.state.id
    with laptop.vault.transaction() as tx:
        identity = tx.scalar(select(ENTRY.c.id).where(ENTRY.c.chain == chain, ENTRY.c.seq == 4))
        data = tx.scalar(select(PAYLOAD.c.data).where(PAYLOAD.c.id == identity))
        assert data is not None
        changed = data.replace("组".encode(), "俎".encode())
        assert changed != data
        tx.execute(update(PAYLOAD).where(PAYLOAD.c.id == identity).values(data=changed))
    with pytest.raises(ChainBroken, match="commitment"):
        finished(journal.recheck(laptop.vault))
