"""A vault: one folder with an encrypted database, the slot file and the attachments of one workplace on one
device.

`with vault.transaction() as connection` is the one door. What it keeps:
- An acknowledged save is never lost: when the block has ended without an error, the commit is on the disk.
- Damage is never silent: a file that was not closed well is checked before it is used, and `opened_hot` asks
  the caller to walk the chain and to fold again, then to call `recovered()`.
- Transactions never overlap, whatever lane they come from, and are never nested: both would mix two acts.
- Not on a thread that must not wait (the window's): `forbid_thread` says which, a call from it is a bug.
- `lock()` closes the file and forgets the keys. Python cannot blank memory: who needs that ends the process
  (design 5).

A vault is made beside its place and renamed into it: after a crash there is a whole vault or none.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Connection

from app.errors import VaultProblem
from app.progress import Progress, Steps
from app.text import tr
from app.vault import attachments, cipherfile, disk, slotfile, slots
from app.vault.attachments import StoredAttachment
from app.vault.attempts import Attempts, counting
from app.vault.cipherfile import CipherFile
from app.vault.slots import FLOOR, KdfParameters, Person, PersonKeys, Random, Unlocked

DATABASE = "vault.db"
ATTACHMENTS = "attachments"
_UNFINISHED = ".unfinished"

ForbidThread = Callable[[], bool]


class Vault:
    """An unlocked vault, made by `create` or `unlock`; after `lock()` all is VaultProblem("vault-locked")."""

    def __init__(self, folder: Path, unlocked: Unlocked, file: CipherFile, forbid_thread: ForbidThread | None) -> None:
        self.folder = folder
        self._unlocked: Unlocked | None = unlocked
        self._file: CipherFile | None = file
        self._forbid_thread = forbid_thread
        self._signing_dropped = False

    @classmethod
    def create(
        cls,
        folder: Path,
        *,
        staff: bytes,
        label: str,
        password: str,
        recovery_public: bytes,
        random: Random,
        prepare: Callable[[Connection], None],
        kdf: KdfParameters = FLOOR,
        forbid_thread: ForbidThread | None = None,
    ) -> Vault:
        """Makes a vault at `folder` (absent or empty) for its first person and unlocks it.

        `label` is the name in the list before unlocking; `prepare` makes the tables, in the first
        transaction.

        Raises VaultProblem("vault-exists" | "disk-full" | "folder-read-only" | "disk-error"), InputProblem of
        the password.
        """
        _refuse_thread(forbid_thread)
        unfinished = folder.with_name(folder.name + _UNFINISHED)
        with disk.disk_errors():
            if folder.is_dir():
                if any(folder.iterdir()):
                    raise VaultProblem("vault-exists")
                folder.rmdir()
            elif folder.exists():
                raise VaultProblem("vault-exists")
            disk.make_folder(folder.parent)
            if unfinished.exists():
                shutil.rmtree(unfinished)  # of a crash: nobody has ever unlocked it
            unfinished.mkdir(mode=0o700)
            (unfinished / ATTACHMENTS).mkdir(mode=0o700)
        try:
            unlocked = slots.create(
                unfinished,
                staff=staff,
                label=label,
                password=password,
                recovery_public=recovery_public,
                random=random,
                kdf=kdf,
            )
            file = cipherfile.create(unfinished / DATABASE, unlocked.database_key)
            try:
                with file.writing() as connection:
                    prepare(connection)
            finally:
                file.close()
            with disk.disk_errors():
                disk.sync_folder(unfinished)
                unfinished.rename(folder)
                disk.sync_folder(folder.parent)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        return cls(
            folder,
            unlocked,
            cipherfile.open_existing(folder / DATABASE, unlocked.database_key),
            forbid_thread,
        )

    @classmethod
    def unlock(
        cls,
        folder: Path,
        staff: bytes,
        password: str,
        *,
        attempts: Attempts | None = None,
        forbid_thread: ForbidThread | None = None,
    ) -> Vault:
        """Opens the vault at `folder`. The slots decide the password, so damage is never told as a wrong one. With
        `attempts` wrong passwords are counted and followed by a wait.

        Raises VaultProblem as `slots.unlock`, `cipherfile.open_existing` and `Attempts.counting`, and
        "slots-outdated" or "database-outdated" when one of the two is from before the keys were renewed; no data are
        changed then.
        """
        _refuse_thread(forbid_thread)
        with counting(attempts, folder, staff):
            unlocked = slots.unlock(folder, staff, password)
        file = _open_database(folder, unlocked)
        try:
            # Read again now that nobody else can have the file: keys renewed meanwhile by another program count.
            if slots.epoch(folder) != unlocked.epoch:
                raise VaultProblem("vault-in-use")
            cipherfile.clear_renewal(file.path)
            if file.opened_hot:
                file.check()
            for place in (folder, folder / ATTACHMENTS):
                disk.clear_partial(place)
        except BaseException:
            file.close()
            raise
        return cls(folder, unlocked, file, forbid_thread)

    @staticmethod
    def people(folder: Path) -> list[Person]:
        """Who can unlock the vault at `folder`; needs no password."""
        return slots.people(folder)

    # --- the door ---

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction for reading and writing: durable when the block ends, none of it when it raises.

        VaultProblem: "disk-full", "disk-error", "folder-read-only", "vault-damaged", "vault-locked".
        RuntimeError when it is nested or asked for on a forbidden thread.
        """
        with self._door().writing() as connection:
            yield connection

    @contextmanager
    def reading(self, *, interruptible: bool = False) -> Iterator[Connection]:
        """One consistent view, no writing. Errors as `transaction`; "interrupted" where allowed."""
        with self._door().reading(interruptible=interruptible) as connection:
            yield connection

    def interrupt(self) -> None:
        """Ends the interruptible reading that runs now, if any; may be called from any thread."""
        file = self._file
        if file is not None:
            file.interrupt()

    def recovered(self) -> None:
        """The chain was walked and the tables folded again after a hot open."""
        self._door().recovered()

    def _door(self) -> CipherFile:
        _refuse_thread(self._forbid_thread)
        file = self._file
        if file is None:
            raise VaultProblem("vault-locked")
        return file

    # --- what was opened ---

    @property
    def vault_id(self) -> bytes:
        """16 bytes, the same for all persons of the vault."""
        return self._open().vault_id

    @property
    def staff(self) -> bytes:
        """Who unlocked it."""
        return self._open().person.staff

    @property
    def opened_hot(self) -> bool:
        """The last program that had it open was cut off inside a transaction: walk and fold before use."""
        return self._file is not None and self._file.opened_hot

    @property
    def repaired(self) -> bool:
        """One of the two copies of the slot file was not good and was replaced at unlocking."""
        return self._open().repaired

    @property
    def signing_seed(self) -> bytes:
        """Ed25519 seed of the person's chain, 32 bytes; VaultProblem("signing-key-dropped") when it was."""
        unlocked = self._open()
        if self._signing_dropped:
            raise VaultProblem("signing-key-dropped")
        return unlocked.person.signing_seed

    @property
    def box_public(self) -> bytes:
        """X25519 public key of the person, 32 bytes; VaultProblem("signing-key-dropped") as for the seed."""
        unlocked = self._open()
        if self._signing_dropped:
            raise VaultProblem("signing-key-dropped")
        return unlocked.person.box_public

    @property
    def device_seed(self) -> bytes:
        """Ed25519 seed, 32 bytes, with which this device speaks to the county. It signs no entries."""
        return self._open().device_seed

    def drop_signing_key(self) -> None:
        """Behind the curtain: work that signs nothing goes on, nobody can sign."""
        unlocked = self._open()
        self._signing_dropped = True
        self._unlocked = replace(unlocked, person=replace(unlocked.person, box_private=b"", signing_seed=b""))

    def _open(self) -> Unlocked:
        if self._unlocked is None:
            raise VaultProblem("vault-locked")
        return self._unlocked

    # --- people ---

    def add_person(
        self, *, staff: bytes, label: str, password: str, random: Random, kdf: KdfParameters = FLOOR
    ) -> PersonKeys:
        """A slot for a colleague, who types the password; the keys of their chain in this vault."""
        _refuse_thread(self._forbid_thread)
        return slots.add_person(
            self.folder,
            self._open(),
            staff=staff,
            label=label,
            password=password,
            random=random,
            kdf=kdf,
        )

    def keys_of(self, staff: bytes, password: str, *, attempts: Attempts | None = None) -> PersonKeys:
        """Private keys of a colleague who signs as the second person, or of the person who proves to be there still;
        raises as `slots.unlock` and `Attempts.counting`."""
        _refuse_thread(self._forbid_thread)
        with counting(attempts, self.folder, staff):
            return slots.open_keyring(self.folder, staff, password)

    def change_password(
        self,
        old: str,
        new: str,
        *,
        random: Random,
        kdf: KdfParameters = FLOOR,
        remember: int = 0,
        attempts: Attempts | None = None,
    ) -> None:
        """Another password for the person who unlocked the vault; nothing else changes. `remember`, and what is
        raised: `slots.change_password`; also as `Attempts.counting`."""
        _refuse_thread(self._forbid_thread)
        with counting(attempts, self.folder, self.staff):
            slots.change_password(self.folder, self.staff, old, new, random=random, kdf=kdf, remember=remember)

    def remove_person(self, staff: bytes, *, random: Random) -> Steps[None]:
        """Takes away the slot of a colleague and renews all keys they knew, as `renew_keys`. What they wrote stays, and
        what waits for the county still goes there.

        Raises as `renew_keys`; VaultProblem("no-slot" | "slot-own").
        """
        return self._renew(staff, random)

    def renew_keys(self, *, random: Random) -> Steps[None]:
        """After a password became known: new vault key, new database key, the database encrypted again. Slots keep
        their passwords, so who is compromised changes theirs first. Attachments keep their keys: who has the old
        keys has had them.

        A kill at any point leaves a vault that opens, with the old keys or with the new. While the file is encrypted
        again (one step, about 2.5 s for 100 MiB) others wait at the door. When it raises after that the vault is
        locked, and unlocking finds what counts.

        Raises VaultProblem("disk-full" | "disk-error" | "folder-read-only" | "vault-damaged" | "slots-altered").
        """
        return self._renew(None, random)

    def _renew(self, without: bytes | None, random: Random) -> Steps[None]:
        _refuse_thread(self._forbid_thread)
        yield Progress(done=0, of=2, doing=tr("正在准备新钥匙"))
        slot_file, unlocked = slots.with_new_keys(self.folder, self._open(), random=random, without=without)
        yield Progress(done=1, of=2, doing=tr("正在用新钥匙重新加密"))
        door = self._door()

        def settle() -> None:
            if slotfile.read(self.folder).file.generation + 1 != slot_file.generation:
                raise VaultProblem("vault-in-use")  # somebody changed a slot meanwhile, and it would be undone
            slotfile.write(self.folder, slot_file)

        try:
            door.renew_key(unlocked.database_key, settle)
        finally:
            if door.closed:
                self.lock()
        person = self._open().person  # without private keys behind the curtain
        self._unlocked = replace(unlocked, person=person)
        yield Progress(done=2, of=2)

    # --- attachments ---

    def store_attachment(self, plain: bytes, *, random: Random) -> StoredAttachment:
        """Encrypts `plain` into a file; the caller records name and key. See `attachments.store`."""
        return attachments.store(self._attachments(), plain, random=random)

    def accept_attachment(self, sealed: bytes, *, upload_digest: bytes, random: Random) -> str:
        """Keeps encrypted bytes from the county; see `attachments.accept`."""
        return attachments.accept(self._attachments(), sealed, upload_digest=upload_digest, random=random)

    def load_attachment(self, name: str, *, key: bytes, digest: bytes) -> bytes:
        """The plain bytes; see `attachments.load`."""
        return attachments.load(self._attachments(), name, key=key, digest=digest)

    def sealed_attachment(self, name: str) -> bytes:
        """The encrypted bytes that travel; see `attachments.read_sealed`."""
        return attachments.read_sealed(self._attachments(), name)

    def discard_attachment(self, name: str) -> None:
        """Removes a file that nothing refers to."""
        attachments.discard(self._attachments(), name)

    def _attachments(self) -> Path:
        self._open()
        return self.folder / ATTACHMENTS

    # --- for backups ---

    def copy_database(self, target: Path) -> Steps[bytes]:
        """A copy of the encrypted file as it is between two transactions; see `CipherFile.copy`."""
        return self._door().copy(target)

    @property
    def unlocked(self) -> Unlocked:
        """What the password gave: for the modules of this package alone."""
        return self._open()

    # --- the end ---

    def lock(self) -> None:
        """Waits for the running transaction, closes the file, forgets the keys. Twice does nothing."""
        file, self._file, self._unlocked = self._file, None, None
        if file is not None:
            file.close()


def _open_database(folder: Path, unlocked: Unlocked) -> CipherFile:
    path = folder / DATABASE
    cipherfile.settle_renewal(path, unlocked.database_key)
    try:
        return cipherfile.open_existing(path, unlocked.database_key)
    except VaultProblem as problem:
        if problem.code == "vault-foreign":
            epoch = slots.epoch_of(unlocked.vault_id, cipherfile.head_of(path) or b"")
            if epoch is not None and epoch > unlocked.epoch:
                raise VaultProblem("slots-outdated") from problem
            if epoch is not None and epoch < unlocked.epoch:
                raise VaultProblem("database-outdated") from problem
        raise


def _refuse_thread(forbid_thread: ForbidThread | None) -> None:
    if forbid_thread is not None and forbid_thread():
        raise RuntimeError("a vault is not used on this thread")
