"""Backups of a vault: whole, encrypted with its own keys, and proved before they are called done.

    <place>/<name of the vault's folder>/000007/  vault.db, both slot files, manifest
    <place>/<name of the vault's folder>/attachments/  the pool that all backups there share

- The database is copied byte for byte while nobody writes. What was written is read back from the disk, compared, and
  every page of it is asked for its check sum: a vault that is damaged is found out here, and older backups stay.
- The manifest names every file with its size and digest; its code is under the vault key. A backup whose files were
  changed, or mixed from two, is refused. Attachments never change under their name: their size is compared, their bytes
  prove themselves when they are opened.
- A backup is made under another name and renamed when it is whole. After a crash it is there or not.
- Passwords are those of that time: a backup has the slot file of its day. The first backup under new keys removes
  those under older ones.

Nothing personal stands in a name or in the manifest. See security.md 2.6 and 4, G23.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import ChainBroken, VaultProblem
from app.ledger.encoding import decode, encode
from app.progress import Progress, Steps
from app.text import tr
from app.vault import disk, kept, pages, slotfile, slots
from app.vault.slots import Person, Unlocked
from app.vault.vault import ATTACHMENTS, DATABASE, Vault

KEPT: Final = 3  # backups of a vault in one place
MANIFEST: Final = "manifest.cbor"
MAGIC: Final = b"hudang-backup\n"
VERSION: Final = 1
MAX_MANIFEST: Final = 64 * 1024 * 1024
_UNFINISHED: Final = ".unfinished"
_FILES: Final = (DATABASE, *slotfile.FILE_NAMES)
_MAC_BYTES: Final = 32
_READ_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup as its manifest says, before anybody proved it. `made_at` UTC ms; `entries` in the log, `waiting` of
    them not yet at the county; `mark` changes with every change of the vault; `size` in bytes without attachments."""

    folder: Path
    vault_id: bytes
    epoch: int
    number: int
    made_at: int
    entries: int
    waiting: int
    mark: bytes
    files: tuple[tuple[str, int, bytes], ...]
    attachments: tuple[tuple[str, int], ...]

    @property
    def size(self) -> int:
        return sum(size for _, size, _ in self.files)

    @property
    def pool(self) -> Path:
        """Where the attachments of this backup lie."""
        return self.folder.parent / ATTACHMENTS

    def people(self) -> list[Person]:
        """Who could unlock the vault on that day; raises as `slots.people`."""
        return slots.people(self.folder)


# --- looking ---


def of_vault(place: Path, name: str) -> list[Backup]:
    """The backups in `place` of the vault whose folder is called `name`, newest first; those that cannot be read are
    left out."""
    found: list[Backup] = []
    with disk.disk_errors():
        folders = sorted((place / name).glob("[0-9]*[0-9]"), reverse=True) if (place / name).is_dir() else []
    for folder in folders:
        try:
            found.append(_read(folder)[0])
        except VaultProblem:
            continue
    return found


def all_in(place: Path) -> list[Backup]:
    """The backups of all vaults in `place`, the newest of each vault first."""
    with disk.disk_errors():
        names = sorted(each.name for each in place.iterdir() if each.is_dir()) if place.is_dir() else []
    return [backup for name in names for backup in of_vault(place, name)]


def is_current(backup: Backup, vault: Vault) -> bool:
    """Whether the open vault is still what the backup holds: no act, draft, receipt or delivery since, and the same
    people with the same passwords and keys."""
    slots_now = hashlib.sha256(slotfile.read(vault.folder).data).digest()
    with vault.reading() as tx:
        mark = kept.mark(tx)
    return backup.mark == mark and (slotfile.FILE_NAMES[0], slots_now) in [(name, d) for name, _, d in backup.files]


def _read(folder: Path) -> tuple[Backup, bytes]:
    """The manifest and its bytes; VaultProblem("backup-altered")."""
    with disk.disk_errors():
        try:
            with (folder / MANIFEST).open("rb") as file:
                data = file.read(MAX_MANIFEST + 1)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise VaultProblem("backup-altered") from None
    try:
        if not data.startswith(MAGIC) or len(data) > MAX_MANIFEST:
            raise VaultProblem("backup-altered")
        table = decode(data[len(MAGIC) : -_MAC_BYTES])
        if table[1] > VERSION:
            raise VaultProblem("vault-newer")
        backup = Backup(
            folder=folder,
            vault_id=table[2],
            epoch=table[3],
            number=table[4],
            made_at=table[5],
            entries=table[6],
            waiting=table[7],
            mark=table[8],
            files=tuple((str(name), int(size), bytes(digest)) for name, size, digest in table[9]),
            attachments=tuple((str(name), int(size)) for name, size in table[10]),
        )
    except (ChainBroken, KeyError, TypeError, ValueError, IndexError):
        raise VaultProblem("backup-altered") from None
    if sorted(name for name, _, _ in backup.files) != sorted(_FILES):
        raise VaultProblem("backup-altered")
    return backup, data


# --- making ---


def make(vault: Vault, place: Path, *, now_ms: int) -> Steps[Backup]:
    """Back the open vault up into `place`; done when it was read back. Then only the newest `KEPT` stay there.

    VaultProblem("vault-damaged" pages=n: nothing was kept of it | "backup-differs" | "disk-full" | "folder-read-only" |
    "disk-error"); what was there before stays."""
    holder = place / vault.folder.name
    with disk.disk_errors():
        disk.make_folder(holder / ATTACHMENTS)
        for left in holder.glob(f"*{_UNFINISHED}"):
            shutil.rmtree(left)
    before = of_vault(place, vault.folder.name)
    number = 1 + max((each.number for each in before), default=0)
    folder = holder / f"{number:06d}{_UNFINISHED}"
    try:
        with disk.disk_errors():
            folder.mkdir(mode=0o700)
        made = yield from _make(vault, folder, number, now_ms)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)  # a full disk must not stay full because of it
        raise
    _prune(holder, made.epoch)
    return made


def _make(vault: Vault, folder: Path, number: int, now_ms: int) -> Steps[Backup]:
    with vault.reading() as tx:
        mark, entries, waiting = kept.mark(tx), kept.count_entries(tx), kept.waiting(tx)
    digest = yield from _named(vault.copy_database(folder / DATABASE), tr("正在备份"))
    yield from _compare(folder / DATABASE, digest)
    with pages.Pages(folder / DATABASE, vault.unlocked.database_key) as copied:
        condition = yield from copied.examine()
    if condition.damaged or condition.cut:
        raise VaultProblem("vault-damaged", pages=len(condition.damaged))
    files = [(DATABASE, (folder / DATABASE).stat().st_size, digest)]
    data = slotfile.read(vault.folder).data
    for name in slotfile.FILE_NAMES:
        disk.write_whole(folder / name, data)
        files.append((name, len(data), hashlib.sha256(data).digest()))
    # Named after the copy was made: whatever it refers to is among them.
    with vault.reading() as tx:
        names = kept.file_names(tx)
    attachments = yield from _copy_attachments(vault.folder / ATTACHMENTS, folder.parent / ATTACHMENTS, names)
    backup = Backup(
        folder=folder.with_name(f"{number:06d}"),
        vault_id=vault.vault_id,
        epoch=vault.unlocked.epoch,
        number=number,
        made_at=now_ms,
        entries=entries,
        waiting=waiting,
        mark=mark,
        files=tuple(files),
        attachments=tuple(attachments),
    )
    manifest = _manifest(backup)
    disk.write_whole(folder / MANIFEST, manifest + _mac(vault.unlocked.vault_key, manifest))
    with disk.disk_errors():
        disk.sync_folder(folder)
        folder.rename(backup.folder)
        disk.sync_folder(folder.parent)
    return backup


def _manifest(backup: Backup) -> bytes:
    table: dict[int, Any] = {
        1: VERSION,
        2: backup.vault_id,
        3: backup.epoch,
        4: backup.number,
        5: backup.made_at,
        6: backup.entries,
        7: backup.waiting,
        8: backup.mark,
        9: [list(file) for file in backup.files],
        10: [list(file) for file in backup.attachments],
    }
    return MAGIC + encode(table)


def _mac(vault_key: bytes, data: bytes) -> bytes:
    key = HKDF(SHA256(), 32, salt=None, info=b"hudang-backup/1 mac").derive(vault_key)
    return hmac.digest(key, data, "sha256")


def _named(steps: Steps[bytes], doing: str) -> Steps[bytes]:
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        yield Progress(done=step.done, of=step.of, doing=doing)


def _copy_attachments(source: Path, pool: Path, names: Iterable[str]) -> Steps[list[tuple[str, int]]]:
    """Bring the encrypted files into the pool: on the same disk a second name for the same file, else a copy."""
    present: list[tuple[str, int]] = []
    wanted = sorted(set(names))
    for done, name in enumerate(wanted, 1):
        with disk.disk_errors():
            try:
                size = (source / name).stat().st_size
            except FileNotFoundError:
                continue  # the exchange tells of it
            target = pool / name
            if not target.exists() or target.stat().st_size != size:
                _link_or_copy(source / name, target)
        present.append((name, size))
        yield Progress(done=done, of=len(wanted), doing=tr("正在备份照片"))
    with disk.disk_errors():
        disk.sync_folder(pool)
    return present


def _link_or_copy(source: Path, target: Path) -> None:
    beside = target.with_name(target.name + disk.PARTIAL)
    beside.unlink(missing_ok=True)
    try:
        os.link(source, beside)
    except OSError:  # another disk, or one that knows no second names
        data = source.read_bytes()
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _forget_cached(beside)
        if beside.read_bytes() != data:
            beside.unlink()
            raise VaultProblem("backup-differs") from None
    beside.replace(target)


def _compare(path: Path, digest: bytes) -> Steps[None]:
    """Read back what was written; VaultProblem("backup-differs")."""
    with disk.disk_errors():
        _forget_cached(path)
        size, found = path.stat().st_size, hashlib.sha256()
        with path.open("rb") as file:
            while data := file.read(_READ_BYTES):
                found.update(data)
                yield Progress(done=file.tell(), of=size, doing=tr("正在核对备份"))
    if found.digest() != digest:
        raise VaultProblem("backup-differs")


def _forget_cached(path: Path) -> None:
    """Let the next reading come from the disk, where the system can be asked for it."""
    if hasattr(os, "posix_fadvise"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def _prune(holder: Path, epoch: int) -> None:
    """Keep the newest, and of the pool what they name. Those that open with older keys go: keys are renewed because
    somebody is to see nothing any more."""
    found = of_vault(holder.parent, holder.name)
    kept_ones = [backup for backup in found if backup.epoch >= epoch][:KEPT]
    named = {name for backup in kept_ones for name, _ in backup.attachments}
    with disk.disk_errors():
        for backup in found:
            if backup not in kept_ones:
                shutil.rmtree(backup.folder)
        for path in (holder / ATTACHMENTS).iterdir():
            if path.name not in named:
                path.unlink()


# --- proving ---


def proved(
    backup: Backup, staff: bytes, password: str, unlocking: Callable[[Path, bytes, str], Unlocked] = slots.unlock
) -> Steps[Unlocked]:
    """What the password of that day opens, after the whole backup has proved to be what was made.

    VaultProblem as `slots.unlock`; "backup-altered"."""
    now, manifest = _read(backup.folder)
    yield Progress(done=0, of=now.size, doing=tr("正在核对备份"))
    for name, size, digest in now.files:
        with disk.disk_errors():
            path = backup.folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise VaultProblem("backup-altered")
        if name in slotfile.FILE_NAMES and hashlib.sha256(path.read_bytes()).digest() != digest:
            raise VaultProblem("backup-altered")
    unlocked = unlocking(backup.folder, staff, password)
    if not hmac.compare_digest(_mac(unlocked.vault_key, manifest[:-_MAC_BYTES]), manifest[-_MAC_BYTES:]):
        raise VaultProblem("backup-altered")
    if (unlocked.vault_id, unlocked.epoch) != (now.vault_id, now.epoch):
        raise VaultProblem("backup-altered")
    digest = next(digest for name, _, digest in now.files if name == DATABASE)
    try:
        yield from _compare(backup.folder / DATABASE, digest)
    except VaultProblem as problem:
        raise VaultProblem("backup-altered") if problem.code == "backup-differs" else problem from None
    return unlocked


def missing_attachments(backup: Backup, folder: Path) -> Iterator[str]:
    """Names of attachments of the backup that are not whole in `folder` but lie in its pool."""
    for name, size in backup.attachments:
        here, there = folder / name, backup.pool / name
        if (not here.exists() or here.stat().st_size != size) and there.exists() and there.stat().st_size == size:
            yield name


def bring_attachments(backup: Backup, folder: Path) -> Steps[int]:
    """Bring into `folder` what it lacks of the backup's attachments; how many."""
    names = list(missing_attachments(backup, folder))
    for done, name in enumerate(names, 1):
        with disk.disk_errors():
            _link_or_copy(backup.pool / name, folder / name)
        yield Progress(done=done, of=len(names), doing=tr("正在取回照片"))
    return len(names)
