"""A person who saves by chance in a small vault, and says before and after each save what holds.

Everything goes the way of the program: acts through `journal.append`, drafts, files and settings through `kept`, photos
and people through the vault, all under `Vault.transaction`. What is said goes to the file `told`, one JSON line by one
write: `about` what will hold when the running save is through, `done` what holds from now on. After any fault each
fact must be as it was last done or as it was about to be, and nothing else:

- `vault`: there is one;
- `tables`: digest of the schema, of where the log stands, of every row that is no more than kept;
- `people`: who can unlock;
- `password`: which password opens;
- `photos`: files that were stored, with the digest of each;
- `backups`: numbers of those that were made;
- `request`: the request to the county that waits for its answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import random as chance
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Engine, create_engine, select

from app.errors import ChainBroken, VaultProblem
from app.ledger.act import Said
from app.ledger.entry import Act
from app.models import store
from app.models.fields import LIFE, RecordKind
from app.models.records.registry import BY_NAME
from app.models.store import Transaction
from app.models.tables import DERIVED, ENTRY, PAYLOAD
from app.progress import Steps
from app.sync import journal
from app.vault import backups, cipherfile, disk, kept, recovery, slots
from app.vault.backups import Backup
from app.vault.kept import KEPT, KeptDraft
from app.vault.slotfile import KdfParameters
from app.vault.vault import Vault

CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)
PASSWORD = "云台 上坝"
MINE = b"\x11" * 16
NOW = 1_795_229_880_000  # 2026-11-21 10:58 in Shanghai
VAULT = "vault"
TOLD = "told"
BACKUPS = "backups"  # beside the vault
COUNTY_PRIVATE = b"\x07" * 32
UNKNOWN = "?"  # what a fact is about to be, where it is known only afterwards
NOTHING: dict[str, Any] = {"photos": {}, "backups": [], "request": ""}
HOUSEHOLD, MEMBER, VISIT = BY_NAME["household"], BY_NAME["member"], BY_NAME["visit"]
Tell = Callable[[bytes], object]
_SHARED: list[Engine] = []  # the first one that was made quickly
_DERIVED_LATER = {"stale", "summary"}  # filled by a worker after the fold


def build(folder: Path, dice: chance.Random, *, households: int = 4) -> dict[str, Any]:
    """A vault at `folder` in which somebody has begun to work, locked; the facts about it."""
    vault = create(folder, dice)
    begin(vault, dice)
    saver = Saver(vault, dice, lambda _: None)
    saver.open_household(households)
    with vault.reading() as tx:
        facts = {"vault": True, "people": [MINE.hex()], "password": PASSWORD, "tables": state(tx)}
        facts |= NOTHING
    vault.lock()
    return facts


def create(folder: Path, dice: chance.Random, prepare: Callable[[Transaction], None] = kept.prepare) -> Vault:
    """A new vault."""
    return Vault.create(
        folder,
        staff=MINE,
        label="韦测一",
        password=PASSWORD,
        recovery_public=X25519PrivateKey.from_private_bytes(COUNTY_PRIVATE).public_key().public_bytes_raw(),
        random=dice.randbytes,
        prepare=prepare,
        kdf=CHEAP,
    )


def begin(vault: Vault, dice: chance.Random, tell: Tell = lambda _: None) -> None:
    """The chain of its first person."""
    with vault.transaction() as tx:
        journal.begin(tx, vault.signing_seed, dice.randbytes(16), MINE, NOW, 1)
        after = state(tx)
        tell(line("about", tables=after))
    tell(line("done", tables=after))


def line(when: str, **facts: Any) -> bytes:
    """A line for `told`: facts hold ("done"), are about to hold ("about"), or were met after opening ("found")."""
    return json.dumps({when: facts}).encode() + b"\n"


def unlock(folder: Path, password: str = PASSWORD) -> Vault:
    """Open a vault as the program does: walked and folded anew where it was cut off."""
    vault = Vault.unlock(folder, MINE, password)
    try:
        if vault.opened_hot:
            finish(journal.recheck(vault))
    except BaseException:
        vault.lock()
        raise
    return vault


# --- lowering a protection ------------------------------------------------------------------------------------

# Lines of the recipe that are changed on purpose: pragma -> (what is asked for, what it then reports).
RECIPES: dict[str, dict[str, tuple[str, str]]] = {
    "": {},
    "delete-full": {"synchronous": ("FULL", "2")},
    "sync-off": {"synchronous": ("OFF", "0")},
    "wal-normal": {"journal_mode": ("WAL", "wal"), "synchronous": ("NORMAL", "1")},
    "wal-full": {"journal_mode": ("WAL", "wal"), "synchronous": ("FULL", "2")},
    # Pages go to the file long before the commit, and nothing could take them back.
    "no-journal": {"journal_mode": ("OFF", "off"), "cache_size": ("-20", "-20")},
    # Not the database's: slot files, photos and backups without a sync of their folders, or without any.
    "names-unsynced": {},
    "files-unsynced": {},
}


@contextmanager
def recipe(name: str) -> Iterator[None]:
    """Vaults are opened, and files written, by another recipe than the program's."""
    lines, expected = cipherfile._AFTER_KEY, cipherfile._EXPECTED
    changed = RECIPES[name]
    kept_lines = tuple(line for line in lines if line.split()[1] not in changed)
    kept_lines += tuple(f"PRAGMA {pragma} = {asked}" for pragma, (asked, _) in changed.items())
    cipherfile._AFTER_KEY = kept_lines  # type: ignore[assignment]
    cipherfile._EXPECTED = {**expected, **{pragma: reported for pragma, (_, reported) in changed.items()}}
    sync, sync_folder = os.fsync, disk.sync_folder
    if name == "names-unsynced":
        disk.sync_folder = lambda folder: None
    elif name == "files-unsynced":
        os.fsync = lambda fd: None
    try:
        yield
    finally:
        cipherfile._AFTER_KEY, cipherfile._EXPECTED = lines, expected
        os.fsync, disk.sync_folder = sync, sync_folder


@contextmanager
def quickened() -> Iterator[None]:
    """Vaults open five times faster, for harnesses that open thousands: memory is not shielded, the cache is small, and
    all share compiled statements. Nothing of it changes what is written or what is accepted."""
    lines, connect = cipherfile._AFTER_KEY, cipherfile._connect

    def make(*arguments: Any, **named: Any) -> Engine:
        engine = create_engine(*arguments, **named)
        if not _SHARED:
            _SHARED.append(engine)
        engine.dialect, engine._compiled_cache = _SHARED[0].dialect, _SHARED[0]._compiled_cache
        return engine

    without = tuple(line for line in lines if "cache_size" not in line)
    cipherfile._AFTER_KEY = without  # type: ignore[assignment]
    cipherfile._connect = lambda path, key, *, shielded: connect(path, key, shielded=False)
    cipherfile.create_engine = make  # type: ignore[attr-defined]
    try:
        yield
    finally:
        cipherfile._AFTER_KEY, cipherfile._connect = lines, connect
        cipherfile.create_engine = create_engine  # type: ignore[attr-defined]


# --- what holds -----------------------------------------------------------------------------------------------


def state(tx: Transaction) -> str:
    """Digest of what must not be lost: the schema, where the log stands, every row of the kept tables."""

    def rows(query: str) -> list[str]:
        return sorted(repr(tuple(row)) for row in tx.exec_driver_sql(query))  # not compiled anew for every vault

    held = {table.name: rows(f"SELECT * FROM {table.name}") for table in KEPT.sorted_tables}
    log = [rows(f"SELECT count(*) FROM {table.name}") for table in (ENTRY, PAYLOAD)]
    return hashlib.sha256(repr((rows("SELECT sql FROM sqlite_master"), log, held)).encode()).hexdigest()[:32]


def tables(tx: Transaction) -> dict[str, list[str]]:
    """All derived tables after canonical sort."""
    return {
        table.name: sorted(map(repr, tx.execute(select(table))))
        for table in DERIVED.sorted_tables
        if table.name not in _DERIVED_LATER
    }


@dataclass(slots=True)
class Promised:
    """What holds after what was told: `done`, and `about` where a save was running."""

    done: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def hear(self, told: bytes) -> None:
        """One line of the file `told`."""
        said = json.loads(told)
        if "about" in said:
            self.about |= said["about"]
            return
        for fact, value in said.get("found", {}).items():
            self.judge(fact, value)
        for fact, value in (said.get("done") or said["found"]).items():
            # Photos add up; every other fact is replaced.
            self.done[fact] = {**self.done.get(fact, {}), **value} if fact == "photos" else value
            self.about.pop(fact, None)

    def hear_all(self, told: bytes) -> None:
        """The file `told` as it is; its last line may be cut."""
        for each in told.split(b"\n")[:-1]:
            self.hear(each)

    def may_be(self, fact: str) -> list[Any]:
        """Values that a fact may have now."""
        return [where[fact] for where in (self.done, self.about) if fact in where]

    def judge(self, fact: str, found: Any) -> bool:
        """Whether the save that was running is there already; AssertionError when what is found was never told."""
        if fact in self.done and found == self.done[fact]:
            return False
        assert fact in self.about, f"{fact}: what was acknowledged is lost"
        assert self.about[fact] in (found, UNKNOWN), f"{fact}: neither what was acknowledged nor what was being saved"
        return True


def inspect(folder: Path, promised: Promised, *, thorough: bool) -> str:
    """Open the vault at `folder` after a fault as the program does, and hold it against what was told.

    "kept", or "ahead" when the save that was running is there; "back" when it was rolled back from a journal; "none"
    when no vault is there and none was promised. AssertionError when something is missing, half there, or does not hold
    together. That it cannot be opened (VaultProblem, ChainBroken) is a loss too. `thorough` also folds the log anew,
    saves once more and opens again.
    """
    if not folder.exists():
        assert not promised.done.get("vault", True), "the vault is gone"
        if thorough:
            create(folder, chance.Random(0)).lock()
        return "none"
    password = _password(folder, promised)
    vault = Vault.unlock(folder, MINE, password)
    try:
        hot = vault.opened_hot
        if hot:
            finish(journal.recheck(vault))
        ahead = promised.judge("backups", [backup.number for backup in proved(folder.parent / BACKUPS, password)])
        request = recovery.waiting(folder)
        ahead |= promised.judge("request", request.encode().hex() if request else "")
        ahead |= promised.judge("people", [person.staff.hex() for person in Vault.people(folder)])
        with vault.reading() as tx:
            ahead |= promised.judge("tables", state(tx))
            own = kept.own_chains(tx)
            for mine in own:
                for _ in journal.walk(tx, mine.state.id):
                    pass
            photos = {name: key.hex() for key, name in kept.undelivered_files(tx)}
        for name, digest in {**photos, **promised.done.get("photos", {})}.items():
            found = hashlib.sha256(vault.sealed_attachment(name)).hexdigest()
            assert found == digest, "photos: a stored photo is not what it was"
        if thorough:
            check(vault)
        elif not hot:  # else opening has checked it
            with vault.reading() as tx:
                assert tx.exec_driver_sql("PRAGMA integrity_check(1)").scalar() == "ok", "the file is damaged"
        if thorough and own:
            _fold_and_save(vault, promised)
    finally:
        vault.lock()
    if thorough and own:
        vault = Vault.unlock(folder, MINE, password)
        try:
            assert not vault.opened_hot
            with vault.reading() as tx:
                promised.judge("tables", state(tx))
        finally:
            vault.lock()
    return "back" if hot else "ahead" if ahead else "kept"


def check(vault: Vault) -> None:
    """Both integrity checks of the file."""
    assert vault._file is not None
    vault._file.check()


def finish(steps: Steps[Any]) -> None:
    """Long work, done at once."""
    for _ in steps:
        pass


def proved(place: Path, password: str) -> list[Backup]:
    """Backups of the vault that are there, oldest first; one that does not prove itself raises."""
    found = sorted(backups.of_vault(place, VAULT), key=lambda backup: backup.number)
    assert len(found) == len(list((place / VAULT).glob("*[0-9]"))), "backups: one is there and cannot be read"
    for backup in found:
        finish(backups.proved(backup, MINE, password))
    return found


def _password(folder: Path, promised: Promised) -> str:
    """The password that opens: exactly one of those that may."""
    opening, may_be = [], promised.may_be("password")
    if len(may_be) == 1:
        return str(may_be[0])
    for password in may_be:
        try:
            slots.unlock(folder, MINE, password)
        except VaultProblem as problem:
            if problem.code != "wrong-password":
                raise
        else:
            opening.append(password)
    assert len(opening) == 1, "password: none that may open does, or both"
    return str(opening[0])


def _fold_and_save(vault: Vault, promised: Promised) -> None:
    with vault.transaction() as tx:
        before = tables(tx)
        for _ in store.refold(tx):
            pass
        assert tables(tx) == before, "the tables are not what the log folds to"
    try:
        saver = Saver(vault, chance.Random(1), promised.hear)
    except ChainBroken:  # cut off between a recovery and its new chain: it can be begun now
        begin(vault, chance.Random(1), promised.hear)
        saver = Saver(vault, chance.Random(1), promised.hear)
    saver.open_household()


# --- who saves ------------------------------------------------------------------------------------------------


class Saver:
    """Works in an unlocked vault; `tell` takes the lines of the file `told`."""

    def __init__(self, vault: Vault, dice: chance.Random, tell: Tell) -> None:
        self.vault = vault
        self.dice = dice
        self._tell = tell
        with vault.reading() as tx:
            self.author = journal.author_of(tx, vault.signing_seed, 1)

    def tell(self, when: str, **facts: Any) -> None:
        """Say a line."""
        self._tell(line(when, **facts))

    @contextmanager
    def saving(self) -> Iterator[Transaction]:
        """One transaction, told before and after its commit."""
        with self.vault.transaction() as tx:
            yield tx
            after = state(tx)
            self.tell("about", tables=after)
        self.tell("done", tables=after)

    def step(self) -> None:
        """Something that people do, by chance."""
        kinds = (self.open_household, self.edit, self.edit, self.edit_several, self.visit, self.draft, self.draft)
        self.dice.choice(kinds)()

    def open_household(self, count: int = 1) -> None:
        """New households with their people, in one transaction."""
        with self.saving() as tx:
            for _ in range(count):
                household = self.dice.randbytes(16)
                said = [self._said(HOUSEHOLD, household, villager_group=self._words(8), remarks=self._words(400))]
                for _ in range(self.dice.randrange(1, 5)):
                    person = self.dice.randbytes(16)
                    said.append(self._said(MEMBER, person, household=household, name="韦测" + self._words(2)))
                self._append(tx, Act.CREATE, household, said)

    def edit(self, count: int = 1) -> None:
        """A change of some fields of a household, or of several, in one transaction."""
        with self.saving() as tx:
            for household in self.dice.choices(self._households(tx), k=count):
                values = {"villager_group": self._words(8), "remarks": self._words(900), "natural_village": "下寨"}
                names = self.dice.sample(sorted(values), self.dice.randrange(1, 4))
                known = store.registers_of(tx, HOUSEHOLD, household)
                facts = {HOUSEHOLD.field(name).number: values[name] for name in names}
                bases = {number: list(known[number].live) for number in facts if number in known}
                said = Said(kind=HOUSEHOLD.number, object=household, values=facts, bases=bases)
                self._append(tx, Act.EDIT, household, [said])

    def edit_several(self) -> None:
        """Many rows at once."""
        self.edit(self.dice.randrange(2, 7))

    def visit(self) -> None:
        """A visit with a photo: the file first, then the act that names it; its draft goes with it."""
        photo = self.vault.store_attachment(
            self.dice.randbytes(self.dice.randrange(60_000)), random=self.dice.randbytes
        )
        self.tell("done", photos={photo.name: photo.upload_digest.hex()})
        with self.saving() as tx:
            household = self.dice.choice(self._households(tx))
            for old in kept.drafts(tx, VISIT.name, MINE, household):
                kept.drop_draft(tx, old.id)
            said = self._said(VISIT, self.dice.randbytes(16), household=household, summary=self._words(1500))
            kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
            self._append(tx, Act.VISIT, household, [said])

    def draft(self) -> None:
        """A visit half written, kept; or one that was kept is written on or thrown away."""
        with self.saving() as tx:
            household = self.dice.choice(self._households(tx))
            old = kept.drafts(tx, VISIT.name, MINE, household)
            if old and self.dice.random() < 0.3:
                kept.drop_draft(tx, old[0].id)
            else:
                at = old[0].id if old else self.dice.randbytes(16)
                data = {1: {VISIT.field("summary").number: self._words(2500)}}
                kept.put_draft(
                    tx,
                    KeptDraft(id=at, form=VISIT.name, root=household, staff=MINE, saved_at=NOW, data=data),
                )

    def _append(self, tx: Transaction, act: Act, root: bytes, said: list[Said]) -> None:
        journal.append(tx, self.author, act, [root], said, NOW, self.dice.randbytes)

    def _households(self, tx: Transaction) -> list[bytes]:
        return sorted(tx.scalars(select(DERIVED.tables["household"].c.id)))

    def _said(self, kind: RecordKind, object_id: bytes, **values: Any) -> Said:
        facts = {LIFE: True, **{kind.field(name).number: value for name, value in values.items()}}
        return Said(kind=kind.number, object=object_id, values=facts)

    def _words(self, most: int) -> str:
        return "".join(self.dice.choices("屋顶漏雨孩子学费药费报销水管冻裂春耕", k=self.dice.randrange(1, most + 1)))
