"""Keeping the vault: backups on time, what to do when it does not open, room on a full disk.

`Safe` holds what all of it needs; the verbs are generators for the lanes. At the door no vault is open: `diagnose` says
what can be done, `salvage` and `restore` do it with a person's password. Neither deletes anything: what lay there is
set aside, in a folder inside the vault's. Both take what the present file and the backups have together, so that work
of after the backup is lost only where no page of it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.casework.desk import Desk, day_of
from app.errors import ChainBroken, HudangError, VaultProblem
from app.progress import Steps
from app.vault import backups, ballast, cipherfile, disk, kept, places, salvage, slotfile, slots
from app.vault.backups import Backup
from app.vault.salvage import Salvaged, Source
from app.vault.slots import Unlocked
from app.vault.vault import ATTACHMENTS, DATABASE

Unlocking = Callable[[Path, bytes, str], Unlocked]

SECOND_PLACE: Final = "backup-place"  # the kept setting with the folder that the person chose for second backups
ON_STICK: Final = "hudang-backup"
_MADE: Final = f"{DATABASE}-salvaged"
_WORK: Final = f"{DATABASE}-rolled-back"
# With these the database is there and ours, and single pages of it may still be read.
_READABLE: Final = frozenset({"vault-damaged", "vault-cut", "disk-error"})
_DAMAGE: Final = _READABLE | {
    "vault-empty",
    "vault-missing",
    "vault-foreign",
    "vault-not-encrypted",
    "slots-missing",
    "slots-damaged",
    "slots-altered",
    "slots-outdated",
    "database-outdated",
    "slot-parameters",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why a vault does not open (`problem`), and what can be done about it: `salvageable`, the backups that this
    computer keeps of it, newest first; or, where only the disk is full, the bytes that the ballast would give."""

    problem: HudangError
    salvageable: bool = False
    backups: tuple[Backup, ...] = ()
    room: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How safe the vault is kept: the newest backup here and at the second place (`second`, where one was chosen;
    `reachable` whether it is there now), whether anything `changed` since the newest here; free bytes, bytes of the
    ballast; whether an exchange has to come before the next act."""

    newest: Backup | None
    changed: bool
    second: Path | None
    reachable: bool
    newest_there: Backup | None
    free: int
    ballast: int
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Safe:
    """Where backups of this computer lie (`place`), and how large the ballast is (bytes)."""

    place: Path
    ballast_size: int = ballast.SIZE

    # --- with the vault open ---

    def state(self, desk: Desk) -> State:
        """How the vault is kept."""
        vault = desk.vault
        found = backups.of_vault(self.place, vault.folder.name)
        second = self._second(desk)
        there = backups.of_vault(second, vault.folder.name) if second is not None else []
        with vault.reading() as tx:
            waits = desk.author.chain in salvage.waiting_chains(tx)
        return State(
            newest=found[0] if found else None,
            changed=not found or not backups.is_current(found[0], vault),
            second=second,
            reachable=second is not None and _is_there(second),
            newest_there=there[0] if there else None,
            free=ballast.free_room(vault.folder),
            ballast=ballast.size_of(vault.folder),
            waits=waits,
        )

    def back_up(self, desk: Desk) -> Steps[State]:
        """Make a backup here, and at the second place when it is there; then the ballast, where there is plenty.
        Raises as `backups.make`."""
        yield from backups.make(desk.vault, self.place, now_ms=desk.clock())
        second = self._second(desk)
        if second is not None and _is_there(second):
            yield from backups.make(desk.vault, second, now_ms=desk.clock())
        yield from ballast.keep(desk.vault.folder, size=self.ballast_size)
        return self.state(desk)

    def back_up_when_due(self, desk: Desk, *, exchanged: bool) -> Steps[bool]:
        """After an exchange, and once a day when anything changed; whether a backup was made."""
        if not self.is_due(desk, exchanged=exchanged):
            return False
        yield from self.back_up(desk)
        return True

    def is_due(self, desk: Desk, *, exchanged: bool) -> bool:
        """Whether a backup belongs to now: something changed since the newest, and it is of another day or under older
        keys, or an exchange has just ended. A clock that was set back makes it due."""
        found = backups.of_vault(self.place, desk.vault.folder.name)
        if not found:
            return True
        if backups.is_current(found[0], desk.vault):
            return False
        older_keys = found[0].epoch != desk.vault.unlocked.epoch
        return exchanged or older_keys or day_of(found[0].made_at) != desk.today()

    def back_up_to(self, desk: Desk, folder: Path) -> Steps[State]:
        """Make a backup in a folder that the person chose, and from now on there too, whenever it is there. Raises as
        `backups.make`; VaultProblem("place-network" | "place-cloud" | "backup-same-disk" | "folder-read-only")."""
        places.refuse_bad(folder)
        if places.same_disk(folder, desk.vault.folder):
            raise VaultProblem("backup-same-disk")
        yield from backups.make(desk.vault, folder / ON_STICK, now_ms=desk.clock())
        with desk.vault.transaction() as tx:
            kept.put_setting(tx, SECOND_PLACE, str(folder))
        return self.state(desk)

    def make_room(self, folder: Path) -> int:
        """Give up the ballast of the vault in `folder`, which need not be open: the bytes freed."""
        return ballast.give_up(folder)

    def _second(self, desk: Desk) -> Path | None:
        with desk.vault.reading() as tx:
            chosen = kept.setting(tx, SECOND_PLACE)
        return Path(chosen) / ON_STICK if chosen else None

    # --- at the door ---

    def diagnose(self, folder: Path, error: HudangError) -> Diagnosis | None:
        """What can be done about a vault that did not open with `error`; None when nothing can and nothing need be (a
        wrong password, a file that is in use)."""
        problem = _retold(folder, error)
        if problem.code == "disk-full":
            # It was cut off inside a transaction: checking it needs room, an ordinary opening does not.
            return Diagnosis(problem=VaultProblem("disk-full-at-door"), room=ballast.size_of(folder))
        if problem.code not in _DAMAGE and not isinstance(problem, ChainBroken):
            return None
        salvageable = problem.code in _READABLE or isinstance(problem, ChainBroken)
        return Diagnosis(
            problem=problem,
            salvageable=salvageable and (folder / DATABASE).is_file(),
            backups=tuple(backups.of_vault(self.place, folder.name)),
        )

    def found_in(self, folder: Path) -> list[Backup]:
        """The backups on a stick or in a folder that the person chose; VaultProblem("backup-none")."""
        found = [*backups.all_in(folder / ON_STICK), *backups.all_in(folder), *backups.all_in(folder.parent)]
        if not found:
            raise VaultProblem("backup-none")
        return found

    def salvage(
        self, folder: Path, staff: bytes, password: str, *, now_ms: int, unlocking: Unlocking = slots.unlock
    ) -> Steps[Salvaged]:
        """Make a new database of what can be read of the damaged one and of the backups here. Raises as `unlocking`
        and `salvage.gather`; VaultProblem("vault-in-use")."""
        unlocked = unlocking(folder, staff, password)
        with_key = [
            each
            for each in backups.of_vault(self.place, folder.name)
            if cipherfile.head_of(each.folder / DATABASE) == unlocked.database_key.salt
        ]
        return (yield from _put_together(folder, unlocked, with_key, _stamp(now_ms, folder), None))

    def restore(
        self,
        backup: Backup,
        folder: Path,
        staff: bytes,
        password: str,
        *,
        now_ms: int,
        unlocking: Unlocking = slots.unlock,
    ) -> Steps[Salvaged]:
        """Put a backup in the place of the vault in `folder`, which may be gone; the password is that of its day. What
        the present file has beyond the backup comes over too, where it can be read.

        Raises as `unlocking`; VaultProblem("backup-altered" | "backup-of-another" | "backup-before-new-keys" |
        "vault-in-use"), and as `salvage.gather`."""
        unlocked = yield from backups.proved(backup, staff, password, unlocking)
        slot_data = _slots_to_restore(backup, folder)
        if not folder.exists():
            places.refuse_bad(folder)
        return (yield from _put_together(folder, unlocked, [backup], _stamp(now_ms, folder), slot_data))


def _is_there(folder: Path) -> bool:
    """Whether the stick is in: the folder that was chosen, above the one we made in it."""
    return folder.parent.is_dir()


def _retold(folder: Path, error: HudangError) -> HudangError:
    """The same problem in the words of what lies there: a code of the slot file may have several causes."""
    try:
        slotfile.read(folder)
    except VaultProblem as problem:
        if problem.code == "not-a-vault" and (folder / DATABASE).exists():
            return VaultProblem("slots-missing")
        if problem.code == "vault-damaged":
            return VaultProblem("slots-damaged")
        return problem
    return error


def _slots_to_restore(backup: Backup, folder: Path) -> bytes | None:
    """The slot file to put beside a restored database; None when the present one fits and is not older."""
    theirs = slotfile.read(backup.folder)
    try:
        present = slotfile.read(folder).file
    except VaultProblem:
        return theirs.data  # missing or damaged
    if present.vault_id != theirs.file.vault_id:
        raise VaultProblem("backup-of-another")
    if present.vault is None or present.vault.epoch < backup.epoch:
        return theirs.data
    if present.vault.epoch > backup.epoch:
        raise VaultProblem("backup-before-new-keys")
    return None


def _put_together(
    folder: Path, unlocked: Unlocked, from_backups: Sequence[Backup], name: str, slot_data: bytes | None
) -> Steps[Salvaged]:
    path, made, work = folder / DATABASE, folder / _MADE, folder / _WORK
    with disk.disk_errors():
        disk.make_folder(folder / ATTACHMENTS)
    cipherfile.refuse_open(path)
    salvage.clear(made)
    key = unlocked.database_key
    try:
        sources = []
        if path.is_file():
            sources.append(Source(path=salvage.rolled_back(path, work, key), key=key))
        sources += [Source(path=each.folder / DATABASE, key=key, present=False) for each in from_backups]
        slot_folder = folder if slot_data is None else from_backups[0].folder
        signers = frozenset(person.signing_public for person in slots.people(slot_folder))
        told = yield from salvage.gather(sources, made, key, signers)
        for each in from_backups:
            yield from backups.bring_attachments(each, folder / ATTACHMENTS)
        salvage.install(folder, made, name, slot_data)
    finally:
        salvage.clear(work)
        salvage.clear(made)
    return told


def _stamp(now_ms: int, folder: Path) -> str:
    """A name for what is set aside: the day, and a number where there are several."""
    day, number = day_of(now_ms), 1
    while (folder / salvage.SET_ASIDE / f"{day}-{number}").exists():
        number += 1
    return f"{day}-{number}"
