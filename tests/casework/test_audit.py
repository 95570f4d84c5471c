"""核验 finds what was changed, and changes nothing itself, however far it came."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from app.casework import audit
from app.casework.audit import Findings
from app.casework.desk import Desk
from app.errors import ChainBroken
from app.models.queries import comparing, households
from app.models.tables import ENTRY, PAYLOAD, Transaction
from app.progress import Steps
from app.vault import kept
from tests import demo


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("village") / "vault"
    demo.build(folder)
    return folder


@pytest.fixture
def desk(village: Path, tmp_path: Path) -> Iterator[Desk]:
    shutil.copytree(village, tmp_path / "vault")
    desk = demo.open_desk(tmp_path / "vault")
    yield desk
    desk.vault.lock()


def finish(steps: Steps[Findings]) -> Findings:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Findings = end.value
            return found


def state(tx: Transaction) -> tuple[bytes, int]:
    return comparing.facts_hash(tx), households.count(tx, households.Filter())


def newest(tx: Transaction) -> bytes:
    found = tx.scalar(select(ENTRY.c.id).order_by(ENTRY.c.seq.desc()).limit(1))
    assert isinstance(found, bytes)
    return found


def test_all_holds(desk: Desk) -> None:
    found = finish(audit.check(desk))
    assert (found.entries, found.own, found.confirmed) == (48, 46, 40)


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_wherever_it_is_stopped_nothing_has_changed(desk: Desk, steps: int) -> None:
    with desk.vault.reading() as tx:
        before = state(tx)
    checking = audit.check(desk)
    for _ in range(steps):
        next(checking, None)
    checking.close()
    with desk.vault.reading() as tx:
        assert state(tx) == before


def test_a_payload_that_was_changed(desk: Desk) -> None:
    with desk.vault.transaction() as tx:
        entry = newest(tx)
        data = tx.scalar(select(PAYLOAD.c.data).where(PAYLOAD.c.id == entry))
        assert data is not None
        place = data.index("风险".encode())
        changed = data[:place] + "无险".encode() + data[place + 6 :]
        tx.execute(update(PAYLOAD).where(PAYLOAD.c.id == entry).values(data=changed))
    with pytest.raises(ChainBroken, match="commitment"):
        finish(audit.check(desk))


def test_the_last_entry_is_gone(desk: Desk) -> None:
    with desk.vault.transaction() as tx:
        tx.execute(delete(ENTRY).where(ENTRY.c.id == newest(tx)))
    with pytest.raises(ChainBroken, match="chain-tail"):
        finish(audit.check(desk))


def test_an_entry_in_the_middle_is_gone(desk: Desk) -> None:
    with desk.vault.transaction() as tx:
        mine = kept.own_chains(tx)[0].state.id
        tx.execute(delete(ENTRY).where(ENTRY.c.chain == mine, ENTRY.c.seq == 7))
    with pytest.raises(ChainBroken, match="chain-gap"):
        finish(audit.check(desk))


def test_a_receipt_that_is_none(desk: Desk) -> None:
    with desk.vault.transaction() as tx:
        mine = kept.own_chains(tx)[0]
        kept.put_receipt(tx, mine.state.id, 0, 40, 10, demo.NOW, b"not a receipt")
    with pytest.raises(ChainBroken):
        finish(audit.check(desk))
