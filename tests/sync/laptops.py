"""Laptops of a test: real vaults, enrolled with a county over real HTTP, with little acts to write."""

from __future__ import annotations

import os
import random as chance
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from app.ledger.act import Said
from app.ledger.entry import Act
from app.models import store
from app.models.records.registry import BY_NAME
from app.models.tables import DERIVED
from app.progress import Progress
from app.sync import enrolment, exchange, journal
from app.sync.connection import Connection
from app.sync.exchange import Report
from app.sync.transport import County
from app.vault import kept
from app.vault.slotfile import KdfParameters
from app.vault.vault import Vault
from tests.county_simulator import NOW

CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)
PASSWORD = "一句 很长的话 a long sentence"
HOUSEHOLD = BY_NAME["household"]
GROUP = HOUSEHOLD.field("villager_group").number
Result = TypeVar("Result")


def clock() -> int:
    """The laptops' clock: wrong by a day, it stands still."""
    return NOW - 86_400_000


def finished(steps: Generator[Progress, None, Result]) -> Result:
    """The result of long work, done at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


class Laptop:
    """One enrolled vault; `exchange` speaks to its county at `base`."""

    def __init__(self, vault: Vault, seed: int = 0) -> None:
        self.vault = vault
        self.chance = chance.Random(seed)
        self.base: str | None = None

    @classmethod
    def enrol(cls, code: str, folder: Path, seed: int = 0) -> Laptop:
        """A new laptop with the code."""
        invited = enrolment.look(code, random=os.urandom, clock=clock)
        steps = enrolment.enrol(
            invited, PASSWORD, folder, "办公室笔记本", build=1, random=os.urandom, clock=clock, kdf=CHEAP
        )
        vault, _ = finished(steps)
        return cls(vault, seed)

    @classmethod
    def unlock(cls, folder: Path, seed: int = 0) -> Laptop:
        """The laptop whose vault lies at `folder`, checked first where it was cut off."""
        vault = Vault.unlock(folder, Vault.people(folder)[0].staff, PASSWORD)
        if vault.opened_hot:
            finished(journal.recheck(vault))
        return cls(vault, seed)

    def county(self) -> County:
        """The county as this device sees it; the caller closes it."""
        with self.vault.reading() as tx:
            connection = Connection.load(tx)
        if self.base is not None:
            return County(
                self.base,
                b"",
                random=os.urandom,
                clock=clock,
                device=connection.device,
                seed=self.vault.device_seed,
                patience_s=(2, 2),
            )
        return connection.county(self.vault, random=os.urandom, clock=clock)

    def exchange(self, steps: int | None = None) -> Report | None:
        """One exchange, stopped after `steps` steps where given."""
        county = self.county()
        running = exchange.run(self.vault, county, random=os.urandom)
        try:
            if steps is None:
                return finished(running)
            for _ in range(steps):
                next(running)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        finally:
            running.close()
            county.close()
        return None

    def sync(self) -> Report:
        """A whole exchange."""
        report = self.exchange()
        assert report is not None
        return report

    def write(self, household: bytes, text: str) -> None:
        """An act on a household: made where it is new, else its group changed, naming what is replaced."""
        self.write_all([(household, text)])

    def write_all(self, acts: Sequence[tuple[bytes, str]]) -> None:
        """Acts in one transaction."""
        with self.vault.transaction() as tx:
            author = journal.author_of(tx, self.vault.signing_seed, 1)
            for household, text in acts:
                known = store.registers_of(tx, HOUSEHOLD, household)
                values: dict[int, Any] = {GROUP: text} if known else {0: True, GROUP: text}
                bases = {n: list(known[n].live) for n in values if n in known and known[n].live}
                said = Said(kind=HOUSEHOLD.number, object=household, values=values, bases=bases)
                act = Act.EDIT if known else Act.CREATE
                journal.append(tx, author, act, [household], [said], clock(), self.chance.randbytes)

    @property
    def chain(self) -> kept.KeptChain:
        """The person's chain."""
        with self.vault.reading() as tx:
            return kept.own_chains(tx)[0]

    def chain_ids(self) -> list[bytes]:
        """Ids of its entries in order."""
        with self.vault.reading() as tx:
            mine = kept.own_chains(tx)[0].state
            return kept.own_ids(tx, mine.id, 0, mine.next_seq)

    def tables(self) -> dict[str, list[str]]:
        """All derived tables after canonical sort."""
        with self.vault.reading() as tx:
            return {
                table.name: sorted(map(repr, tx.execute(select(table))))
                for table in DERIVED.sorted_tables
                if table.name != "stale"
            }

    def state_hash(self) -> bytes:
        """Fold hash of the registers."""
        with self.vault.reading() as tx:
            return store.state_hash(tx)

    def assert_fold_is_tables(self) -> None:
        """fold(log) == tables."""
        before = self.tables()
        with self.vault.transaction() as tx:
            for _ in store.refold(tx):
                pass
        assert self.tables() == before

    def groups(self) -> dict[bytes, str]:
        """household -> its group as shown."""
        with self.vault.reading() as tx:
            table = DERIVED.tables["household"]
            return {row.id: row.villager_group for row in tx.execute(select(table))}
