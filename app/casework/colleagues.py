"""The people of this vault: who they are, letting one in by the county's word, letting one go, changing keys.

Before an act that others could do in an unlocked program, the person says once more who they are: `confirm` takes the
password, counts a wrong one as at the door, and gives the `Confirmed` that these verbs ask for. Each of them is an
entry of the record kind `seat`.

What takes several steps stands in the vault before its first step, so that a cut at any place is gone on from: a
joining by `resume_joining`, new keys by `settle_keys`. Both are asked for at every unlocking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.casework.desk import Desk, created
from app.errors import InputProblem, VaultProblem
from app.ledger.act import Random, Said
from app.ledger.entry import Act
from app.models.fields import LIFE, Value
from app.models.queries import households, places, seats
from app.models.queries import staff as people
from app.models.records.registry import BY_NAME
from app.models.rules import passwords
from app.models.rules.policy import MLPS, REMEMBERED, Policy
from app.models.rules.rights import Action
from app.models.store import Transaction
from app.progress import Steps
from app.sync import enrolment, journal
from app.sync.enrolment import Invited, Joining
from app.sync.journal import Author, Touched
from app.sync.transport import Clock
from app.vault import kept, slots
from app.vault.attempts import Attempts
from app.vault.slots import KdfParameters
from app.vault.vault import Vault

SEAT: Final = BY_NAME["seat"]
RENEWAL: Final = "renewal"  # kept: [epoch that is to come, staff who goes or empty]
REASON_LIMIT: Final = SEAT.field("reason").limit or 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """Somebody with a slot in this vault. `joining`: the county has not agreed yet, or the chain has not begun."""

    staff: bytes
    name: str
    roles: tuple[str, ...]
    me: bool
    joining: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """The person at the desk gave their password again, for one act that follows."""

    staff: bytes


def confirm(desk: Desk, password: str, attempts: Attempts) -> Confirmed:
    """Ask the person at the desk for the password. VaultProblem("wrong-password" | "too-soon"), counted as at the
    door."""
    desk.vault.keys_of(desk.author.staff, password, attempts=attempts)
    return Confirmed(staff=desk.author.staff)


def read(desk: Desk) -> tuple[Colleague, ...]:
    """Everybody in this vault, in the order in which they came."""
    listed = Vault.people(desk.vault.folder)
    with desk.vault.reading() as tx:
        known = places.staff(tx)
        return tuple(
            Colleague(
                staff=one.staff,
                name=known[one.staff].name if one.staff in known else one.label,
                roles=places.roles(tx, one.staff),
                me=one.staff == desk.author.staff,
                joining=Joining.find(tx, one.staff) is not None,
            )
            for one in listed
        )


# --- letting somebody in ---


def look(desk: Desk, code: str) -> Invited:
    """Whose the enrolment code is; as `enrolment.look`, and as `enrolment.check_colleague` when it is not for here."""
    invited = enrolment.look(code, random=desk.random, clock=desk.clock)
    enrolment.check_colleague(desk.vault, invited)
    return invited


def add(
    desk: Desk,
    confirmed: Confirmed,
    invited: Invited,
    password: str,
    *,
    attempts: Attempts,
    kdf: KdfParameters | None = None,
) -> Steps[Touched]:
    """Let the colleague of the code in; `password` is theirs, they typed it. The same again goes on where it was cut.
    Raises as `enrolment.join`."""
    _require(desk, confirmed)
    joining, seed = yield from enrolment.join(
        desk.vault,
        invited,
        password,
        attempts=attempts,
        build=desk.author.build,
        random=desk.random,
        clock=desk.clock,
        kdf=kdf or slots.calibrate(),
    )
    return _seated(desk.vault, joining, seed, desk.author, desk.clock, desk.random)


def resume_joining(vault: Vault, *, random: Random, clock: Clock) -> Steps[None]:
    """The person who unlocked `vault` was let in and it was cut off before the county agreed, or before their chain
    began: go on. Nothing for everybody else. TransportProblem, CountyRefusal as `enrolment.tell`."""
    with vault.reading() as tx:
        joining = Joining.find(tx, vault.staff)
    if joining is None:
        return
    yield from enrolment.tell(vault, joining, vault.signing_seed, vault.box_public, random=random, clock=clock)
    _seated(vault, joining, vault.signing_seed, None, clock, random)


def _seated(
    vault: Vault, joining: Joining, seed: bytes, author: Author | None, clock: Clock, random: Random
) -> Touched:
    """The chain begins and the seat is recorded, in one transaction; by the newcomer where nobody else is there."""
    epoch = slots.epoch(vault.folder)
    with vault.transaction() as tx:
        if Joining.find(tx, joining.staff) is None:
            return Touched()
        enrolment.joined(tx, joining, seed)
        by = author or journal.author_of(tx, seed, joining.build)
        values: dict[str, Value] = {"staff": joining.staff, "vault": vault.vault_id, "epoch": epoch}
        said = [created(SEAT, joining.seat, values)]
        return journal.append(tx, by, Act.JOIN, [joining.staff], said, clock(), random)


# --- letting somebody go, new keys ---


def remove(desk: Desk, confirmed: Confirmed, staff: bytes, reason: str) -> Steps[Touched]:
    """Take a colleague's slot away and renew all keys they knew. What they wrote stays, and what waits for the county
    still goes there. VaultProblem("slot-own" | "no-slot") and as `Vault.renew_keys`."""
    _require(desk, confirmed)
    if staff == desk.author.staff:
        raise VaultProblem("slot-own")
    return (yield from _change_keys(desk, Act.LEAVE, staff, reason))


def renew_keys(desk: Desk, confirmed: Confirmed, reason: str) -> Steps[Touched]:
    """钥匙可能泄露: new keys for everybody who is here. Passwords stay; who fears for theirs changes it first."""
    _require(desk, confirmed)
    return (yield from _change_keys(desk, Act.CHANGE_KEYS, None, reason))


def settle_keys(vault: Vault, random: Random) -> Steps[None]:
    """Finish new keys that an entry speaks of and that were cut off; nothing where none are. VaultProblem("no-slot")
    for the person who is to go: their password still opened, it shall not any more."""
    with vault.reading() as tx:
        waiting = kept.setting(tx, RENEWAL)
    if not waiting:
        return
    epoch, gone = waiting
    if slots.epoch(vault.folder) < epoch:
        if gone == vault.staff:
            raise VaultProblem("no-slot")
        there = gone in (one.staff for one in Vault.people(vault.folder))
        yield from vault.remove_person(gone, random=random) if there else vault.renew_keys(random=random)
    with vault.transaction() as tx:
        kept.put_setting(tx, RENEWAL, None)


def settle_people(vault: Vault, random: Random) -> Steps[None]:
    """After a backup was put back: whoever was let go since has a slot again, and loses it as soon as the log says so.
    As `settle_keys`, which comes first."""
    yield from settle_keys(vault, random)
    while True:
        with vault.transaction() as tx:
            there = {one.staff for one in Vault.people(vault.folder)} & seats.gone(tx, vault.vault_id)
            if not there:
                return
            # Others first: who is to go too can no longer do it when it is their turn.
            gone = min(there, key=lambda staff: (staff == vault.staff, staff))
            kept.put_setting(tx, RENEWAL, [slots.epoch(vault.folder) + 1, gone])
        yield from settle_keys(vault, random)


def _change_keys(desk: Desk, act: Act, gone: bytes | None, reason: str) -> Steps[Touched]:
    """The entry and what it promises: first written down, then done."""
    words = reason.strip()
    if not words or len(words) > REASON_LIMIT:
        raise InputProblem("reason-length", limit=REASON_LIMIT)
    if gone is not None and gone not in (one.staff for one in Vault.people(desk.vault.folder)):
        raise VaultProblem("no-slot")
    yield from settle_keys(desk.vault, desk.random)  # one that was cut off before comes first
    epoch = slots.epoch(desk.vault.folder) + 1
    whose = gone or desk.author.staff
    with desk.vault.transaction() as tx:
        said = _said_of_seat(tx, desk, whose, epoch, words, ended=gone is not None)
        touched = journal.append(tx, desk.author, act, [whose], [said], desk.clock(), desk.random)
        kept.put_setting(tx, RENEWAL, [epoch, gone or b""])
    yield from settle_keys(desk.vault, desk.random)
    return touched


def _said_of_seat(tx: Transaction, desk: Desk, staff: bytes, epoch: int, reason: str, *, ended: bool) -> Said:
    """The seat of `staff` from now on; one that nobody recorded, as of the first person of a vault, is told whole."""
    seat = people.seats(tx, desk.vault.vault_id).get(staff)
    told: Mapping[str, Value] = {"epoch": epoch, "reason": reason}
    if seat is None:
        seat = desk.new_id()
        told = {"staff": staff, "vault": desk.vault.vault_id, **told}
    sheet = households.sheet(tx, SEAT, seat)
    values: dict[int, Value] = {LIFE: None if ended else True} if ended or sheet is None else {}
    values |= {SEAT.field(name).number: value for name, value in told.items()}
    bases = {n: sheet.dots[n] for n in values if n in sheet.dots} if sheet is not None else {}
    return Said(kind=SEAT.number, object=seat, values=values, bases=bases)


def _require(desk: Desk, confirmed: Confirmed) -> None:
    if confirmed.staff != desk.author.staff:
        raise InputProblem("not-allowed")
    with desk.vault.reading() as tx:
        desk.require(tx, Action.WRITE, SEAT)


# --- passwords ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What nobody may build a password from: names of people, words of places. For `passwords.judge`."""

    policy: Policy
    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def judge(self, password: str) -> InputProblem | None:
        """What is wrong with a new password."""
        return passwords.judge(password, self.policy, names=self.names, words=self.words)


def known(desk: Desk) -> Known:
    """What the vault knows about names and places."""
    with desk.vault.reading() as tx:
        areas = places.path(places.areas(tx), desk.workplace)
        names = tuple(one.name for one in places.staff(tx).values() if one.name)
        words = tuple(area.name for area in areas if area.name)
        return Known(policy=people.policy(tx), names=names, words=words)


def change_password(desk: Desk, old: str, new: str, *, attempts: Attempts, kdf: KdfParameters | None = None) -> None:
    """Another password for the person at the desk; what it opens stays. InputProblem of `passwords.judge`,
    ("password-used-before"), VaultProblem("wrong-password" | "too-soon")."""
    judged = known(desk)
    problem = judged.judge(new)
    if problem is not None:
        raise problem
    desk.vault.change_password(
        old,
        new,
        random=desk.random,
        kdf=kdf or slots.calibrate(),
        remember=REMEMBERED if judged.policy.password_profile == MLPS else 0,
        attempts=attempts,
    )
    with desk.vault.transaction() as tx:
        note_password(tx, desk.author.staff, desk.clock())


def note_password(tx: Transaction, staff: bytes, now_ms: int) -> None:
    """`staff` has a new password as of now."""
    kept.put_setting(tx, f"password/{staff.hex()}", now_ms)


def password_since(tx: Transaction, staff: bytes, now_ms: int) -> int:
    """Since when the password of `staff` is in use (ms); for one that nobody noted it counts from now on."""
    since = kept.setting(tx, f"password/{staff.hex()}")
    if since is None:
        note_password(tx, staff, now_ms)
        return now_ms
    return int(since)
