"""One flipped bit, or a cut, in every kind of file that the program keeps or sends: told, or without effect, never a
silent change (G3).

Kinds of file stand in `KINDS`; case n is the n // len(KINDS)-th of kind n % len(KINDS), so each gets the same number.
What "without effect" means is decided by content: every row of every table, every byte of an attachment, every entry
of a packet is compared with what it was before. No error is not enough.

The hot journal is one that a kill left in the middle of a commit, under every mixture of old and new pages that a power
cut may leave with it: the flip may be told, or the state before the save may come back. It may also be empty or gone.
"""

from __future__ import annotations

import hashlib
import os
import random as chance
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.errors import HudangError, VaultProblem
from app.ledger import card as cards
from app.ledger import chain as chains
from app.ledger.act import Said
from app.ledger.card import Outcome, Trust
from app.ledger.entry import Act, entry_id
from app.ledger.export import Reader
from app.ledger.verify import Trusted, examine
from app.models import store
from app.models.store import Transaction
from app.sync import journal
from app.sync.protocol import CountyKey, Delivery, DeliveryRequest, EnrolmentCode, Packet, Receipt
from app.vault import attachments, attempts, backups, kept, recovery, rollback, slots
from app.vault.cipherfile import CipherFile
from app.vault.pages import PAGE_BYTES
from app.vault.slotfile import FILE_NAMES
from app.vault.vault import DATABASE, Vault
from county.intake import Known, judge
from tests.county_simulator import NOW, SimulatedCounty, serving
from tests.faults.frame import empty_folder, lasting_folder
from tests.sync.laptops import CHEAP, GROUP, HOUSEHOLD, PASSWORD, Laptop, finished

NAME = "bitflips"
TITLE = "G3: single flipped bits and cuts in every kind of file, told or without effect"

EXPORT = Path(__file__).resolve().parent.parent / "vectors" / "export.bin"
JOURNAL, MARK = DATABASE + "-journal", DATABASE + "-open"
TRIED_MS = 10_000_000
NEW_PASSWORD = "另一句 很长的话 another sentence"
TOLD, UNHARMED, BEFORE = "told", "unharmed", "before"
TRIES = 400  # until a lowered protection is seen
CUTS = 5  # one case in so many is a cut
ROOMY = 6  # pages that a killed commit may add before it is killed
# Made anew after the fold, and the search index behind it.
_LATER = ("stale", "summary", "household_search")


class Back(Exception):
    """Raised in a transaction whose result has been looked at."""


# --- damage ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Damage:
    """What is done to bytes: a bit is flipped, or only the first `place` bytes stay."""

    place: int
    bit: int | None

    @classmethod
    def draw(cls, size: int, dice: chance.Random) -> Damage:
        """Some damage to `size` bytes."""
        if not dice.randrange(CUTS):
            return cls(dice.randrange(size), None)
        return cls(dice.randrange(size), dice.randrange(8))

    def done_to(self, data: bytes) -> bytes:
        """The damaged bytes."""
        if self.bit is None:
            return data[: self.place]
        changed = data[self.place] ^ 1 << self.bit
        return data[: self.place] + bytes([changed]) + data[self.place + 1 :]

    def done_at(self, path: Path) -> None:
        """Damage the file at `path`."""
        path.write_bytes(self.done_to(path.read_bytes()))

    def __str__(self) -> str:
        return f"cut to {self.place} bytes" if self.bit is None else f"bit {self.bit} of byte {self.place}"


# --- what is damaged ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hot:
    """A killed commit: the database before it, the database and journal that it left."""

    before: bytes
    database: bytes
    journal: bytes

    def mixed(self, dice: chance.Random) -> bytes:
        """The database as a power cut may leave it: any of the written pages may have reached the disk."""
        share = dice.choice((0.0, 0.25, 0.5, 0.75, 1.0, 1.0))
        pages = []
        for at in range(0, len(self.database), PAGE_BYTES):
            old, new = self.before[at : at + PAGE_BYTES], self.database[at : at + PAGE_BYTES]
            pages.append(new if not old or dice.random() < share else old)
        grown = dice.random() < share
        return b"".join(pages if grown else pages[: len(self.before) // PAGE_BYTES])


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A laptop's vault with settled and waiting work, closed, and what travelled between it and its county."""

    vault: Path
    content: bytes
    unlocked: slots.Unlocked
    photo: attachments.StoredAttachment
    hot: tuple[Hot, ...]
    laptop: Vault  # a copy of it, open: what arrives is tried there and taken back
    packet: bytes
    known: Known
    judged: list[tuple[bytes, bytes, bytes]]
    receipt: bytes
    delivery: bytes
    code: str
    county: bytes
    export: bytes
    card: str
    trust: Trust
    pool: bytes
    pool_digest: bytes
    staff: bytes
    counted: Path  # the record of wrong passwords, and what a recovery keeps
    request: bytes
    answer: bytes
    backups: Path
    expected: dict[str, bytes] = field(default_factory=dict)


def content(tx: Transaction) -> bytes:
    """SHA-256 of all rows of all tables but those that are derived later."""
    digest = hashlib.sha256()
    names = tx.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").scalars().all()
    for name in names:
        if not name.startswith(_LATER):
            rows = sorted(map(repr, tx.exec_driver_sql(f'SELECT * FROM "{name}"')))
            digest.update("\n".join([name, *rows]).encode())
    return digest.digest()


def opened(folder: Path) -> bytes:
    """Open a vault as the program does; its content."""
    vault = Vault.unlock(folder, Vault.people(folder)[0].staff, PASSWORD)
    try:
        if vault.opened_hot:
            for _ in journal.recheck(vault):
                pass
        with vault.reading() as tx:
            return content(tx)
    finally:
        vault.lock()


@cache
def scene() -> Scene:
    """Made once in a process."""
    folder = lasting_folder()
    county = SimulatedCounty()
    county.issue_pool("7K3M", 3)
    with serving(county) as base:
        code = county.invite(base)
        laptop = Laptop.enrol(code, folder / "vault", seed=1)
        dice = laptop.chance
        households = [dice.randbytes(16) for _ in range(8)]
        laptop.write_all([(each, f"第{n}组 " + dice.randbytes(200).hex()) for n, each in enumerate(households)])
        laptop.sync()
        other = Laptop.enrol(county.invite(base), folder / "other", seed=2)
        other.write_all([(each, "别处写的 " + dice.randbytes(100).hex()) for each in households[:5]])
        other.sync()
        other.vault.lock()
    with laptop.vault.reading() as tx:
        size, _ = journal.held_checkpoint(tx)
        _, held = journal.held(tx)
        cursor = journal.cursor(tx)
        settled = kept.own_chains(tx)[0]
        facts = journal.county_facts(tx)
        payload = tx.scalar(select(kept.CARD_STOCK.c.payload))
    assert payload is not None
    delivery = county.deliver(DeliveryRequest(cursor=cursor, digest=held, size=size)).encode()
    laptop.write_all([(each, f"新{n}组 " + dice.randbytes(300).hex()) for n, each in enumerate(households)])
    photo = laptop.vault.store_attachment(dice.randbytes(20_000), random=dice.randbytes)
    with laptop.vault.transaction() as tx:
        kept.put_file(tx, photo.upload_digest, photo.name, delivered=False)
        for n in range(6):
            _draft(tx, laptop, bytes([n + 1]) * 16, dice.randbytes(700))
        tail = kept.sealed_from(tx, settled.state.id, settled.acknowledged - 1, 50)
    start = settled.acknowledged - 1
    packet = Packet(settled.state.id, start, tuple(tail))
    known = Known(chain=settled.state, ids={start: settled.state.head})
    receipt = county.receive(packet, size).encode()
    staff = laptop.vault.staff
    laptop.vault.lock()
    shutil.copytree(folder / "vault", folder / "copy")
    whole = opened(folder / "vault")
    return Scene(
        vault=folder / "vault",
        content=whole,
        unlocked=slots.unlock(folder / "vault", staff, PASSWORD),
        photo=photo,
        hot=(
            killed(folder / "vault", folder / "hot", spilling=False),
            killed(folder / "vault", folder / "spilt", spilling=True),
        ),
        laptop=Vault.unlock(folder / "copy", staff, PASSWORD),
        packet=packet.encode(),
        known=known,
        judged=[(each.data, each.signature, each.payload) for each in judge(packet, known)],
        receipt=receipt,
        delivery=delivery,
        code=code,
        county=county.key.encode(),
        export=EXPORT.read_bytes(),
        card=payload,
        trust=Trust(county=facts[chains.COUNTY_CODE], keys={1: facts[chains.CARD_KEY]}),
        **_pool(county),
        **_beside(folder / "vault", folder / "counted", county, dice),
    )


def _draft(tx: Transaction, laptop: Laptop, draft: bytes, data: bytes) -> None:
    kept.put_draft(
        tx, kept.KeptDraft(id=draft, form="visit", root=draft, staff=laptop.vault.staff, saved_at=1, data={1: data})
    )


def _pool(county: SimulatedCounty) -> dict[str, Any]:
    """The pool file as it travels, with what its record says of it."""
    (sealed,) = county.blobs.values()
    return {"pool": sealed, "pool_digest": hashlib.sha256(sealed).digest()}


def _beside(vault: Path, folder: Path, county: SimulatedCounty, dice: chance.Random) -> dict[str, Any]:
    """What lies in a vault's folder and beside it in the bad days: counted tries, a recovery half done, a backup."""
    shutil.copytree(vault, folder)
    staff = Vault.people(folder)[0].staff
    opened = Vault.unlock(folder, staff, PASSWORD)
    finished(backups.make(opened, folder.parent / "backups", now_ms=NOW))
    opened.lock()
    now = [TRIED_MS]
    limiter = attempts.Attempts(home=folder, clock_ms=lambda: now[0], boot=lambda: "boot")
    for left in reversed(range(attempts.FREE + 1)):
        now[0] = TRIED_MS - left * 1000 * attempts.WAITS_S[0]
        with suppress(VaultProblem), limiter.counting(folder, staff):
            raise VaultProblem("wrong-password")
    asked = recovery.begin(folder, staff, NEW_PASSWORD, random=dice.randbytes, kdf=CHEAP)
    enrol = (dice.randbytes(300), dice.randbytes(64), dice.randbytes(80))
    answer = recovery.answer(asked, county.recovery.private_bytes_raw(), enrol)
    return {
        "staff": staff,
        "counted": folder,
        "request": asked.encode(),
        "answer": answer.encode(),
        "backups": folder.parent / "backups",
    }


def killed(vault: Path, folder: Path, *, spilling: bool) -> Hot:
    """What a kill in the middle of a commit leaves: by the kernel, at the write that makes the file too long, or
    (`spilling`) after pages went to the disk before the commit, with a journal of several parts."""
    shutil.copytree(vault, folder)
    before = (folder / DATABASE).read_bytes()
    process = os.fork()
    if not process:
        try:
            laptop = Laptop.unlock(folder, seed=7)
            _work_until_killed(laptop, len(before), spilling)
        finally:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), f"the commit was not killed: {status}"
    hot = Hot(before, (folder / DATABASE).read_bytes(), (folder / JOURNAL).read_bytes())
    assert (folder / MARK).exists()
    assert hot.journal[:1] not in (b"", b"\0")
    assert hot.database[: len(before)] != before
    return hot


def _work_until_killed(laptop: Laptop, size: int, spilling: bool) -> None:
    households = sorted(laptop.groups())
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with laptop.vault.transaction() as tx:
        if spilling:
            tx.exec_driver_sql("PRAGMA cache_size = 12")
        author = journal.author_of(tx, laptop.vault.signing_seed, 1)
        for n, household in enumerate(households * 2):
            live = list(store.registers_of(tx, HOUSEHOLD, household)[GROUP].live)
            values: dict[int, Any] = {GROUP: f"又{n}组 " + laptop.chance.randbytes(1500).hex()}
            said = Said(kind=HOUSEHOLD.number, object=household, values=values, bases={GROUP: live})
            journal.append(tx, author, Act.EDIT, [household], [said], 1, laptop.chance.randbytes)
        for n in range(6):
            kept.drop_draft(tx, bytes([n + 1]) * 16)
        if spilling:
            os.kill(os.getpid(), signal.SIGKILL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + ROOMY * PAGE_BYTES,) * 2)


# --- the kinds ------------------------------------------------------------------------------------------------


def database(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """The encrypted database, closed."""
    vault = _copy(folder)
    damage = Damage.draw((vault / DATABASE).stat().st_size, dice)
    damage.done_at(vault / DATABASE)
    return _compared(lambda: opened(vault), scene().content), damage


def hot_journal(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """The journal that a killed commit left."""
    hot = dice.choice(scene().hot)
    size, chosen = len(hot.journal), dice.randrange(10)
    damage = Damage.draw(size, dice)
    if chosen < 3:  # the few bytes that say what the rest means
        damage = Damage(dice.randrange(1, 28), dice.randrange(8))
    if chosen == 8:
        damage = Damage(0, None)
    if chosen == 9:  # none: the state before the save must come back
        damage = Damage(size, None)
    outcome = _rolled_back(folder, hot, dice, damage)
    assert outcome == BEFORE or damage.place < size, "a whole journal was refused"
    return outcome, damage


def _rolled_back(folder: Path, hot: Hot, dice: chance.Random, damage: Damage) -> str:
    vault = _copy(folder)
    (vault / DATABASE).write_bytes(hot.mixed(dice))
    (vault / MARK).write_bytes(b"")
    if damage.place or dice.random() < 0.5:
        (vault / JOURNAL).write_bytes(damage.done_to(hot.journal))
    outcome = _compared(lambda: opened(vault), scene().content)
    return BEFORE if outcome == UNHARMED else outcome


def slot_file(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """One copy of the slot file."""
    return _slots(folder, dice, [dice.choice(FILE_NAMES)])


def slot_files(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """Both copies, each in its own way."""
    return _slots(folder, dice, list(FILE_NAMES))


def _slots(folder: Path, dice: chance.Random, names: list[str]) -> tuple[str, Damage]:
    vault, wanted = _copy(folder, FILE_NAMES), scene().unlocked
    damage = Damage(0, None)
    for name in names:
        damage = Damage.draw((vault / name).stat().st_size, dice)
        damage.done_at(vault / name)

    def look() -> object:
        person = Vault.people(vault)[0]
        found = slots.unlock(vault, person.staff, PASSWORD)
        after = slots.unlock(vault, person.staff, PASSWORD)
        assert after.repaired is False, "a copy that was mended needs no second mending"
        return person.label, found.vault_id, found.epoch, found.person, found.database_key, found.device_seed

    told = _compared(
        look,
        ("吴秀英", wanted.vault_id, wanted.epoch, wanted.person, wanted.database_key, wanted.device_seed),
    )
    if len(names) == 1:
        assert told == UNHARMED, "one good copy is enough"
    return told, damage


def attachment(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """An encrypted attachment."""
    photo = scene().photo
    sealed = (scene().vault / "attachments" / photo.name).read_bytes()
    damage = Damage.draw(len(sealed), dice)
    (folder / photo.name).write_bytes(damage.done_to(sealed))

    def look() -> object:
        return hashlib.sha256(attachments.load(folder, photo.name, key=photo.key, digest=photo.digest)).digest()

    return _compared(look, photo.digest), damage


def packet(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """Entries on their way to the county, as it judges them."""
    data, known = scene().packet, scene().known
    damage = Damage.draw(len(data), dice)
    assert known.chain is not None
    chain = known.chain.id

    def look() -> object:
        found = Packet.decode(damage.done_to(data))
        if found.chain != chain:
            raise HudangError("chain-unknown")
        return [(each.data, each.signature, each.payload) for each in judge(found, known)]

    return _compared(look, scene().judged), damage


def receipt(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """A receipt, with the checkpoint in it, as the laptop settles it."""
    data = scene().receipt
    damage = Damage.draw(len(data), dice)

    def settled(answer: bytes) -> bytes:
        with _taken_back() as (tx, result):
            journal.settle(tx, Receipt.decode(answer), 5)
            result.append(content(tx))
        return result[0]

    return _compared(lambda: settled(damage.done_to(data)), _once("receipt", lambda: settled(data))), damage


def delivery(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """A page of others' acts, as the laptop takes it."""
    data = scene().delivery
    damage = Damage.draw(len(data), dice)

    def taken(answer: bytes) -> bytes:
        page = Delivery.decode(answer)
        with _taken_back() as (tx, result):
            journal.take_checkpoint(tx, page.note, page.consistency)
            journal.take(tx, page.entries)
            journal.turn(tx, page)
            _, digest = journal.held(tx)
            if digest != page.digest:
                raise HudangError("not-the-same")  # the exchange says so and asks for the streams one by one
            result.append(content(tx) + bytes([page.more, page.wants_heads]))
        return result[0]

    return _compared(lambda: taken(damage.done_to(data)), _once("delivery", lambda: taken(data))), damage


def enrolment_code(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """The text of an enrolment code."""
    text = scene().code.encode()
    damage = Damage.draw(len(text), dice)
    return _compared(
        lambda: EnrolmentCode.parse(damage.done_to(text).decode("latin-1")), EnrolmentCode.parse(text.decode())
    ), damage


def county_pub(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """county.pub, as a laptop looks at it when it enrols."""
    data = scene().county
    damage = Damage.draw(len(data), dice)

    def look() -> object:
        key = CountyKey.decode(damage.done_to(data))
        if entry_id(key.entry) != EnrolmentCode.parse(scene().code).county:
            raise HudangError("county-foreign")
        return journal.county_body(key)

    return _compared(look, journal.county_body(CountyKey.decode(data))), damage


def log_export(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """The county's log as a file, as the verifier reads it."""
    data = scene().export
    damage = Damage.draw(len(data), dice)

    def examined(file: bytes) -> bytes:
        report = finished(examine(BytesIO(file), _trusted()))
        if report.fault is not None:
            raise report.fault.error
        return report.fold

    return _compared(lambda: examined(damage.done_to(data)), _once("export", lambda: examined(data))), damage


@cache
def _trusted() -> Trusted:
    head = Reader(BytesIO(scene().export)).header()
    return Trusted.read(CountyKey(entry=head.entry, signature=head.signature).encode())


def card(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """What the code on a card says."""
    text = scene().card.encode()
    damage = Damage.draw(len(text), dice)

    def read(data: bytes) -> object:
        found = cards.read(data.decode("latin-1"), scene().trust, "2026-11-22")
        if found.outcome is not Outcome.GENUINE:
            raise HudangError(found.outcome.value)
        return found

    return _compared(lambda: read(damage.done_to(text)), read(text)), damage


def pool_file(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """A pool of cards as it travels."""
    data = scene().pool
    damage = Damage.draw(len(data), dice)

    def look() -> object:
        name = attachments.accept(
            folder, damage.done_to(data), upload_digest=scene().pool_digest, random=dice.randbytes
        )
        return (folder / name).read_bytes()

    return _compared(look, data), damage


def tries(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """The count of wrong passwords, in one of its two places: the other one serves, no try is won."""
    counted = scene().counted
    vault = _copy(folder, FILE_NAMES)
    places = [vault / attempts.FOLDER, folder / attempts.FOLDER]
    for place in places:
        shutil.copytree(counted / attempts.FOLDER, place)
    (record,) = dice.choice(places).iterdir()
    damage = Damage.draw(record.stat().st_size, dice)
    damage.done_at(record)
    limiter = attempts.Attempts(home=folder, clock_ms=lambda: TRIED_MS, boot=lambda: "boot")
    outcome = _compared(lambda: limiter.seconds_left(vault, scene().staff), attempts.WAITS_S[1])
    assert outcome == UNHARMED, "one good record is enough"
    return outcome, damage


def recovery_request(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """The request of somebody who forgot the password."""
    data = scene().request
    damage = Damage.draw(len(data), dice)
    return _compared(lambda: recovery.Request.decode(damage.done_to(data)), recovery.Request.decode(data)), damage


def recovery_answer(_folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """The county's answer to it."""
    data = scene().answer
    damage = Damage.draw(len(data), dice)
    return _compared(lambda: recovery.Answer.decode(damage.done_to(data)), recovery.Answer.decode(data)), damage


def recovery_kept(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """What waits for the answer in the vault's folder."""
    vault, kept_file = _copy(folder, FILE_NAMES), recovery.waits_at(scene().counted, scene().staff)
    damage = Damage.draw(kept_file.stat().st_size, dice)
    (vault / kept_file.name).write_bytes(damage.done_to(kept_file.read_bytes()))

    def finish() -> object:
        answer = recovery.Answer.decode(scene().answer)
        found = recovery.finish(vault, NEW_PASSWORD, answer, random=dice.randbytes, kdf=CHEAP)
        return found.person.signing_public, found.database_key

    wanted = (recovery.Request.decode(scene().request).signing_public, scene().unlocked.database_key)
    return _compared(finish, wanted), damage


def backup(folder: Path, dice: chance.Random) -> tuple[str, Damage]:
    """A backup: its list, its database, its slot files."""
    (whole,) = backups.all_in(scene().backups)
    (folder / "place" / whole.folder.parent.name).mkdir(parents=True)
    copy = folder / "place" / whole.folder.relative_to(scene().backups)
    shutil.copytree(whole.folder, copy)
    file = copy / dice.choice((backups.MANIFEST, DATABASE, *FILE_NAMES))
    damage = Damage.draw(file.stat().st_size, dice)
    damage.done_at(file)

    def look() -> object:
        found = backups.all_in(folder / "place")
        if not found:
            raise HudangError("backup-altered")
        unlocked = finished(backups.proved(found[0], scene().staff, PASSWORD))
        return replace(found[0], folder=whole.folder), unlocked.database_key, unlocked.person

    return _compared(look, (whole, scene().unlocked.database_key, scene().unlocked.person)), damage


Kind = Callable[[Path, chance.Random], tuple[str, Damage]]
KINDS: tuple[Kind, ...] = (
    database,
    hot_journal,
    slot_file,
    slot_files,
    attachment,
    packet,
    receipt,
    delivery,
    enrolment_code,
    county_pub,
    log_export,
    card,
    pool_file,
    tries,
    recovery_request,
    recovery_answer,
    recovery_kept,
    backup,
)
CI = 200 * len(KINDS)
RELEASE = 20_000 * len(KINDS)


def _copy(folder: Path, names: tuple[str, ...] = (*FILE_NAMES, DATABASE)) -> Path:
    vault = folder / "vault"
    (vault / "attachments").mkdir(parents=True)
    for name in names:
        shutil.copyfile(scene().vault / name, vault / name)
    return vault


@contextmanager
def _taken_back() -> Iterator[tuple[Transaction, list[bytes]]]:
    """A transaction of the open laptop that leaves nothing behind, and a list for what was seen in it."""
    result: list[bytes] = []
    try:
        with scene().laptop.transaction() as tx:
            yield tx, result
            raise Back
    except Back:
        pass


def _once(name: str, make: Callable[[], bytes]) -> bytes:
    """What the undamaged file leads to."""
    expected = scene().expected
    if name not in expected:
        expected[name] = make()
    return expected[name]


def _compared(look: Callable[[], object], wanted: object) -> str:
    """How it ended: a refusal is `TOLD`, what it should be is `UNHARMED`, anything else breaks the promise."""
    try:
        found = look()
    except HudangError:
        return TOLD
    assert found == wanted, "changed without a word"
    return UNHARMED


def case(number: int, folder: Path) -> str:
    """One flip or cut in one file."""
    kind = KINDS[number % len(KINDS)]
    dice = chance.Random(f"{kind.__name__} {number // len(KINDS)}")
    try:
        outcome, _ = kind(folder, dice)
    except AssertionError as problem:
        problem.add_note(f"{kind.__name__}, {number // len(KINDS)}")
        raise
    return f"{kind.__name__} {outcome}"


# --- the harness itself ---------------------------------------------------------------------------------------


def lowered() -> str:
    """Each protection taken away is seen: the looks at a hot journal, and the proofs of a receipt."""
    hot = scene().hot[0]
    nonce = Damage(13, 2)  # nothing is rolled back any more
    with _without((rollback, "whole"), (CipherFile, "check")), _without((journal, "recheck"), result=()):
        silent = next((n for n in range(TRIES) if _is_silent(hot, chance.Random(n), nonce)), None)
    assert silent is not None, "a journal that nobody looked at changed nothing"
    with _without((journal, "verify_range")):
        forged = next((n for n in range(TRIES) if _is_forged(chance.Random(n))), None)
    assert forged is not None, "receipts without proofs were still refused"
    return (
        f"a hot journal rolled back unseen changed the vault in try {silent + 1}, "
        f"a damaged receipt without proofs was taken in try {forged + 1}"
    )


def _is_silent(hot: Hot, dice: chance.Random, damage: Damage) -> bool:
    with empty_folder() as folder:
        try:
            _rolled_back(folder, hot, dice, damage)
        except AssertionError:
            return True
    return False


def _is_forged(dice: chance.Random) -> bool:
    with empty_folder() as folder:
        try:
            receipt(folder, dice)
        except AssertionError:
            return True
    return False


@contextmanager
def _without(*places: tuple[Any, str], result: object = True) -> Iterator[None]:
    """These functions do nothing."""
    before = [getattr(owner, name) for owner, name in places]
    for owner, name in places:
        setattr(owner, name, lambda *_, **__: result)
    try:
        yield
    finally:
        for (owner, name), old in zip(places, before, strict=True):
            setattr(owner, name, old)
