"""G13: the disk is full, at a random moment and down to the last byte: nothing saved is lost, reading goes on, what
cannot be saved is told, and giving up the ballast makes room for it.

A case is one vault on a disk of its own of a few MiB (tmpfs, mounted here or in a user namespace of one's own).
Somebody saves; the disk is filled up to a few KiB or to nothing, in one of five ways (`HOWS`); every save either is
told as "disk-full" and leaves nothing, or is there afterwards. The vault is then opened with 0 bytes free, the way the
program opens it, and read. Where no disk may be mounted a limit for the size of files stands in: they cannot grow.
"""

from __future__ import annotations

import ctypes
import os
import random as chance
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from app.casework.safekeeping import Safe
from app.errors import VaultProblem
from app.sync import journal
from app.vault import backups, ballast, kept, salvage
from app.vault.vault import DATABASE, Vault
from tests.faults import frame, saving
from tests.faults.saving import BACKUPS, MINE, NOW, PASSWORD, VAULT, Promised, Saver

NAME = "diskfull"
TITLE = "disk full: nothing saved lost, still opened and read at 0 bytes free, told, room made by the ballast"
CI = 30
RELEASE = 1_000

BALLAST = 256 * 1024
DISK = 6 * 1024 * 1024
BLOCK = 4096
PATIENCE = 80  # saves until the disk must have refused one
_FULL = {"disk-full", "disk-error"}  # with a limit for file sizes the system speaks of another error


def case(number: int, folder: Path) -> str:
    """One disk that becomes full."""
    if _may_mount():
        return _case(number, folder)
    if _may_unshare():
        run = [*_UNSHARE, sys.executable, "-m", "tests.faults.diskfull", str(number), str(folder)]
        ran = subprocess.run(run, cwd=frame.ROOT, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr[-4000:]
        return ran.stdout.strip()
    return _case(number, folder)


def lowered() -> str:
    """A vault without ballast, and one that writes a little each time it is opened."""
    seen = []
    for name, protection in (("no ballast", _without_ballast), ("writes at opening", _writing_at_opening)):
        noticed = 0
        with protection():
            for number in range(5):
                with frame.empty_folder() as folder:
                    try:
                        _case(number, folder)
                    except (AssertionError, VaultProblem):
                        noticed += 1
        assert noticed, f"{name}: nothing was noticed"
        seen.append(f"{name}: {noticed} of 5 cases failed")
    return "; ".join(seen)


@contextmanager
def _without_ballast() -> Iterator[None]:
    keep = ballast.keep
    ballast.keep = lambda *_, **__: iter(())  # type: ignore[assignment]
    try:
        yield
    finally:
        ballast.keep = keep


@contextmanager
def _writing_at_opening() -> Iterator[None]:
    prepare = kept.prepare

    def writing(tx: Any) -> None:
        prepare(tx)
        kept.put_setting(tx, kept.VERSION, 1)

    kept.prepare = writing
    try:
        yield
    finally:
        kept.prepare = prepare


# --- small disks ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Disk:
    """A small disk: `folder` lies on it."""

    folder: Path
    mounted: bool

    def fill(self, leave: int = 0, *, within: Path | None = None) -> None:
        """Leave so many bytes free, in whole blocks; `within`: the folder of the vault, where it is another."""
        if not self.mounted:
            size = ((within or self.folder / VAULT) / DATABASE).stat().st_size
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + leave, resource.RLIM_INFINITY))
            return
        with (self.folder / "filler").open("ab", buffering=0) as file:
            while (free := ballast.free_room(self.folder)) > leave:
                try:
                    file.write(bytes(min(free - leave, 64 * BLOCK)))
                except OSError:
                    break

    def make_room(self) -> int:
        """Give up the ballast, as the person asks for it: the bytes freed."""
        freed = Safe(place=self.folder / BACKUPS).make_room(self.folder / VAULT)
        if not self.mounted:
            self.empty()
        return freed

    def empty(self) -> None:
        """There is plenty again."""
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (self.folder / "filler").unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """A disk at `folder`, which is made."""
    mounted = _may_mount()
    folder.mkdir()
    if mounted:
        assert _mount(folder, DISK)
    disk = Disk(folder, mounted)
    try:
        yield disk
    finally:
        disk.empty()
        if mounted:
            _libc().umount2(os.fsencode(folder), 2)  # MNT_DETACH: a failed case may still hold a file


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _mount(folder: Path, size: int) -> bool:
    return bool(_libc().mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, b"size=%d" % size) == 0)


_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")


@cache
def _may_mount() -> bool:
    if sys.platform != "linux":
        return False
    with frame.empty_folder() as folder:
        if not _mount(folder, DISK):
            return False
        _libc().umount2(os.fsencode(folder), 2)
    return True


@cache
def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    with frame.empty_folder() as folder:
        run = [*_UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
        return subprocess.run(run, capture_output=True).returncode == 0


# --- cases ----------------------------------------------------------------------------------------------------


@cache
def _begun() -> tuple[Path, dict[str, Any]]:
    """A vault in which somebody works, to be copied, and what holds of it."""
    folder = frame.lasting_folder() / VAULT
    facts = saving.build(folder, chance.Random(13))
    vault = saving.unlock(folder)
    with vault.transaction() as tx:
        for name in salvage.NEEDED:
            kept.put_setting(tx, name, b"of a county")
        facts["tables"] = saving.state(tx)
    vault.lock()
    return folder, facts


def _case(number: int, folder: Path) -> str:
    dice = chance.Random(number)
    begun, facts = _begun()
    with small_disk(folder / "disk") as disk:
        shutil.copytree(begun, disk.folder / VAULT)
        saving.finish(ballast.keep(disk.folder / VAULT, size=BALLAST))
        promised = Promised(done=dict(facts))
        vault = saving.unlock(disk.folder / VAULT)
        try:
            for _ in range(dice.randrange(6)):
                Saver(vault, dice, promised.hear).step()
            vault, told = HOWS[number % len(HOWS)](disk, vault, dice, promised)
            vault = _at_nothing(disk, vault, dice, promised)
            assert disk.make_room() == BALLAST, "there was no ballast"
            for _ in range(3):
                Saver(vault, dice, promised.hear).draft()
        finally:
            vault.lock()
        disk.empty()
        saving.inspect(disk.folder / VAULT, promised, thorough=number % 4 == 0)
    return told


def _at_nothing(disk: Disk, vault: Vault, dice: chance.Random, promised: Promised) -> Vault:
    """With 0 bytes free: reading goes on, closing and opening too, a save is refused and leaves nothing."""
    disk.fill()
    _read(vault, promised)
    _refused(disk, vault, dice, promised, patience=PATIENCE)
    vault.lock()
    vault = Vault.unlock(disk.folder / VAULT, MINE, PASSWORD)
    try:
        assert not vault.opened_hot
        with vault.transaction() as tx:
            kept.prepare(tx)
            journal.author_of(tx, vault.signing_seed, 1)
        _read(vault, promised)
        _refused(disk, vault, dice, promised, patience=PATIENCE)
        _read(vault, promised)
    except BaseException:
        vault.lock()
        raise
    return vault


def _read(vault: Vault, promised: Promised) -> None:
    with vault.reading() as tx:
        promised.judge("tables", saving.state(tx))
        assert tx.exec_driver_sql("SELECT count(*) FROM household").scalar()


def _refused(disk: Disk, vault: Vault, dice: chance.Random, promised: Promised, *, patience: int) -> None:
    """Save until the disk refuses; what was refused is as if it had not been tried."""
    for _ in range(patience):
        told = _told(lambda: Saver(vault, dice, promised.hear).step())
        if told:
            assert told == "disk-full" or (told in _FULL and not disk.mounted), told
            promised.about.clear()
            return
    raise AssertionError("a full disk took everything")


def _told(action: Callable[[], object]) -> str:
    """The code with which something is refused, empty when it is not."""
    try:
        action()
    except VaultProblem as problem:
        return problem.code
    return ""


How = Callable[[Disk, Vault, chance.Random, Promised], tuple[Vault, str]]


def _while_saving(disk: Disk, vault: Vault, dice: chance.Random, promised: Promised) -> tuple[Vault, str]:
    """It becomes full while somebody saves."""
    disk.fill(leave=dice.choice((0, BLOCK, dice.randrange(100_000))))
    _refused(disk, vault, dice, promised, patience=PATIENCE)
    return vault, "saving"


def _before_opening(disk: Disk, vault: Vault, dice: chance.Random, promised: Promised) -> tuple[Vault, str]:
    """It was full before the vault was opened."""
    vault.lock()
    disk.fill(leave=dice.choice((0, 0, BLOCK, dice.randrange(40_000))))
    again = Vault.unlock(disk.folder / VAULT, MINE, PASSWORD)
    _read(again, promised)
    return again, "opening"


def _with_a_journal(disk: Disk, vault: Vault, dice: chance.Random, promised: Promised) -> tuple[Vault, str]:
    """The power went inside a transaction, and then there is no room: rolling back needs none."""
    vault.lock()
    _crash(disk.folder / VAULT)
    disk.fill(leave=dice.choice((0, 0, BLOCK)))
    again = Vault.unlock(disk.folder / VAULT, MINE, PASSWORD)
    assert again.opened_hot
    _read(again, promised)
    again.lock()
    disk.empty()
    again = saving.unlock(disk.folder / VAULT)
    _read(again, promised)
    return again, "rolled-back"


def _crash(folder: Path) -> None:
    process = os.fork()
    if not process:
        try:
            vault = Vault.unlock(folder, MINE, PASSWORD)
            with vault.transaction() as tx:
                tx.exec_driver_sql("PRAGMA cache_size = 5")
                tx.exec_driver_sql("UPDATE payload SET data = randomblob(length(data))")
                tx.exec_driver_sql("UPDATE entry SET wall = wall + 1, data = randomblob(length(data))")
                tx.exec_driver_sql("INSERT INTO setting VALUES ('large', randomblob(200000))")
                os._exit(9)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9


def _while_backing_up(disk: Disk, vault: Vault, dice: chance.Random, promised: Promised) -> tuple[Vault, str]:
    """It becomes full while a backup is made: the backup before it stays whole, nothing half made stays."""
    place = disk.folder / BACKUPS
    saving.finish(backups.make(vault, place, now_ms=NOW))
    promised.done["backups"] = [1]
    size = (disk.folder / VAULT / DATABASE).stat().st_size
    Saver(vault, dice, promised.hear).draft()
    if disk.mounted:
        disk.fill(leave=dice.randrange(size))
        assert _told(lambda: saving.finish(backups.make(vault, place, now_ms=NOW))) == "disk-full"
    assert not list(place.rglob("*.unfinished")), "half a backup was left"
    assert [backup.number for backup in saving.proved(place, PASSWORD)] == [1]
    return vault, "backing-up"


def _while_salvaging(disk: Disk, vault: Vault, dice: chance.Random, promised: Promised) -> tuple[Vault, str]:
    """There is no room for a salvage: the damaged file stays as it is, and it works when there is room."""
    vault.lock()
    path = disk.folder / VAULT / DATABASE
    before = path.read_bytes()
    safe = Safe(place=disk.folder / BACKUPS)
    if disk.mounted:
        disk.fill(leave=dice.randrange(len(before) // 2))
        steps = safe.salvage(disk.folder / VAULT, MINE, PASSWORD, now_ms=NOW)
        assert _told(lambda: saving.finish(steps)) == "disk-full"
        assert path.read_bytes() == before, "the damaged file was touched"
        names = {item.name for item in path.parent.iterdir()}
        assert names <= {DATABASE, "slots.cbor", "slots.copy.cbor", "attachments", ballast.NAME}, names
    return Vault.unlock(disk.folder / VAULT, MINE, PASSWORD), "salvaging"


HOWS: tuple[How, ...] = (_while_saving, _before_opening, _with_a_journal, _while_backing_up, _while_salvaging)


if __name__ == "__main__":
    sys.stdout.write(_case(int(sys.argv[1]), Path(sys.argv[2])) + "\n")
