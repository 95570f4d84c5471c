"""The key slots: who can open a vault, and with what.

    password --Argon2id--> key of the slot --AES-256-GCM--> the person's two private keys (X25519, Ed25519)
    vault key --HPKE--> each person's X25519 key, and the county's recovery key from the first day
    vault key --AES-256-GCM--> database key (raw, random), transport key of the device
    vault key --HMAC-SHA-256--> the whole file, so that nobody outside adds a person or changes a recovery key

Rules:
- A password opens one person's keys and nothing else; changing one never touches the data. The signing key of
  a person lies under no shared key.
- Every sealed or wrapped piece is bound to its purpose, the vault id and the epoch of the vault key, a
  person's also to all that stands in the slot: no piece can be carried to another place.
- A wrong password is told only when the check sum of the file is good: damage is never a wrong password.
- When somebody leaves, everything changes but the people's own keys: a new epoch has a new vault key, sealed to each
  who stays and to the county, and a new database key. An older slot file then opens an older database or nothing.

The administrators of a county have the same slots in a *keyring*: persons without a vault key.

The bytes stand in `slotfile`, how a piece is wrapped or sealed in `sealing`.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from app.errors import ChainBroken, InputProblem, VaultProblem
from app.ledger import encoding
from app.vault import sealing, slotfile
from app.vault.pages import SALT_BYTES, DatabaseKey
from app.vault.sealing import FLOOR as FLOOR  # the county knows only this module
from app.vault.sealing import KEY_BYTES, Unopened
from app.vault.sealing import Random as Random
from app.vault.sealing import calibrate as calibrate
from app.vault.slotfile import (
    ID_BYTES,
    MAX_LABEL,
    Slot,
    SlotFile,
    VaultPart,
)
from app.vault.slotfile import KdfParameters as KdfParameters
from app.vault.slotfile import Person as Person

_EPOCH_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonKeys:
    """The two private keys of a person, 32 bytes each: X25519 opens vault keys, Ed25519 (its seed) signs."""

    staff: bytes
    box_private: bytes = field(repr=False)
    signing_seed: bytes = field(repr=False)

    @classmethod
    def make(cls, staff: bytes, random: Random) -> PersonKeys:
        return cls(staff=staff, box_private=random(32), signing_seed=random(32))

    @property
    def box_public(self) -> bytes:
        return X25519PrivateKey.from_private_bytes(self.box_private).public_key().public_bytes_raw()

    @property
    def signing_public(self) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.signing_seed).public_key().public_bytes_raw()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlocked:
    """What a right password gives. `repaired`: one of the two copies of the file was bad and was replaced."""

    vault_id: bytes
    epoch: int
    person: PersonKeys
    vault_key: bytes = field(repr=False)
    database_key: DatabaseKey = field(repr=False)
    device_seed: bytes = field(repr=False)
    repaired: bool = False


# --- a vault's slots ----------------------------------------------------------------------------------------


def create(
    folder: Path,
    *,
    staff: bytes,
    label: str,
    password: str,
    recovery_public: bytes,
    random: Random,
    kdf: KdfParameters = FLOOR,
) -> Unlocked:
    """Makes vault key, database key, device key and the first person's slot in `folder`, which must have no
    slot file.

    `staff` 16 bytes; `recovery_public` the county's X25519 key, 32 bytes; a `kdf` below the floor is for
    tests.

    Raises InputProblem("password-empty" | "password-too-long" | "password-unusable" | "name-unusable"),
    VaultProblem("vault-exists", disk codes).
    """
    slotfile.refuse_existing(folder)
    vault_id = random(ID_BYTES)
    epoch = 1
    vault_key = random(KEY_BYTES)
    database_key = _new_database_key(vault_id, epoch, random)
    device_seed = random(KEY_BYTES)
    person = PersonKeys.make(staff, random)
    file = SlotFile(
        vault_id=vault_id,
        generation=1,
        slots=(_make_slot(vault_id, person, label, password, random, kdf, (epoch, vault_key)),),
        vault=VaultPart(
            epoch=epoch,
            recovery_public=recovery_public,
            recovery_sealed=_seal_vault_key(vault_key, recovery_public, vault_id, epoch, b""),
            database_key=b"",
            device_seed=b"",
            mac=b"",
        ),
    )
    slotfile.write(folder, _completed(file, vault_key, database_key, device_seed, random))
    return Unlocked(
        vault_id=vault_id,
        epoch=epoch,
        person=person,
        vault_key=vault_key,
        database_key=database_key,
        device_seed=device_seed,
    )


def people(folder: Path) -> list[Person]:
    """The persons who have a slot here, in the order in which they came. Needs no password; reads only.

    Raises VaultProblem("not-a-vault" | "vault-damaged" | "vault-newer" | "slot-parameters", disk codes).
    """
    return [slot.person for slot in slotfile.read(folder).file.slots]


def epoch(folder: Path) -> int:
    """Which epoch of keys counts at `folder`; 0 in a keyring. Raises as `people`."""
    part = slotfile.read(folder).file.vault
    return 0 if part is None else part.epoch


def unlock(folder: Path, staff: bytes, password: str) -> Unlocked:
    """Everything that `staff` may open with `password`. Takes as long as the slot's Argon2id parameters say.

    Raises VaultProblem("wrong-password" | "no-slot" | "not-a-vault" | "vault-damaged" | "vault-newer" |
    "slot-parameters" | "slots-altered" | "not-enough-memory", disk codes), InputProblem("password-too-long" |
    "password-unusable").
    """
    found = slotfile.read(folder)
    file = found.file
    if file.vault is None:
        raise VaultProblem("not-a-vault")
    person, slot = _open_slot(file, staff, password)
    opened = _opened(file, person, _vault_key_of(file, slot, person))
    return replace(opened, repaired=slotfile.repair(folder, found))


def add_person(
    folder: Path,
    unlocked: Unlocked,
    *,
    staff: bytes,
    label: str,
    password: str,
    random: Random,
    kdf: KdfParameters = FLOOR,
) -> PersonKeys:
    """Gives one more person a slot; the new person types `password`. Durable in both copies when it returns.

    Raises as `create`, and VaultProblem("slot-exists") when `staff` has one.
    """
    file = slotfile.read(folder).file
    if file.vault is None or file.vault_id != unlocked.vault_id:
        raise VaultProblem("vault-foreign")
    _open_vault_part(file, unlocked.vault_key)  # nothing is added to a file that somebody altered
    keys, grown = _with_person(file, staff, label, password, random, kdf, (unlocked.epoch, unlocked.vault_key))
    slotfile.write(folder, _with_mac(grown, unlocked.vault_key))
    return keys


def change_password(
    folder: Path, staff: bytes, old: str, new: str, *, random: Random, kdf: KdfParameters = FLOOR, remember: int = 0
) -> None:
    """Wraps the keys of `staff` under `new`; keys and data stay. Durable in both copies when it returns. In a vault or
    a keyring.

    `remember`: how many former passwords may not be taken again (GB/T 22239 asks for it in some profiles), 0 for none.
    They are kept as Argon2id digests under the person's own key, so that nobody can guess at them who could not
    open the slot anyway.

    Raises as `unlock` for `old`, as `create` for `new`, and InputProblem("password-used-before", count=...).
    """
    file = slotfile.read(folder).file
    keys, slot = _open_slot(file, staff, old)
    vault_key = None
    if file.vault is not None:
        vault_key = _vault_key_of(file, slot, keys)
        _open_vault_part(file, vault_key)
    former = _remembered(file.vault_id, keys, slot, old, new, random, kdf, remember)
    made = _make_slot(file.vault_id, keys, slot.person.label, new, random, kdf, _sealed_for(file, vault_key), former)
    slotfile.write(folder, _with_slot(file, made, vault_key))


def replace_keys(
    folder: Path, vault_key: bytes, keys: PersonKeys, password: str, *, random: Random, kdf: KdfParameters = FLOOR
) -> Unlocked:
    """Gives the person of `keys` a slot with these keys in place of the one they have; `vault_key` is what the county
    restored. Nobody else's slot is touched, epoch and data stay.

    Raises as `create` for the password, VaultProblem("no-slot" | "slots-altered") when `vault_key` is not of here.
    """
    file = slotfile.read(folder).file
    if file.vault is None:
        raise VaultProblem("not-a-vault")
    opened = _opened(file, keys, vault_key)
    label = _slot_of(file, keys.staff).person.label
    made = _make_slot(file.vault_id, keys, label, password, random, kdf, _sealed_for(file, vault_key))
    slotfile.write(folder, _with_slot(file, made, vault_key))
    return opened


def prove(folder: Path, vault_key: bytes) -> None:
    """VaultProblem("slots-altered") unless `vault_key` is the key of the vault in `folder`."""
    file = slotfile.read(folder).file
    if file.vault is None:
        raise VaultProblem("not-a-vault")
    _open_vault_part(file, vault_key)


def with_new_keys(
    folder: Path, unlocked: Unlocked, *, random: Random, without: bytes | None = None
) -> tuple[SlotFile, Unlocked]:
    """The slot file of the next epoch, not yet written, and what it opens: new vault key, sealed to everybody but
    `without` and to the county, and new database key. The device keeps its key: the county knows it by that.

    The caller writes it (`slotfile.write`) when the data lie under the new key. People who stay need no password: the
    new vault key is sealed to their public keys, which the old one vouches for.

    Raises VaultProblem("no-slot" | "slot-own" | "slots-altered" | "vault-foreign"), and as `people`.
    """
    file = slotfile.read(folder).file
    if file.vault is None or file.vault_id != unlocked.vault_id or file.vault.epoch != unlocked.epoch:
        raise VaultProblem("vault-foreign")
    _open_vault_part(file, unlocked.vault_key)
    if without is not None:
        _slot_of(file, without)
    if without == unlocked.person.staff:
        raise VaultProblem("slot-own")  # the last one would shut out everybody; a colleague can do it
    epoch, vault_key = unlocked.epoch + 1, random(KEY_BYTES)
    database_key = _new_database_key(file.vault_id, epoch, random)
    slots = tuple(
        replace(
            slot,
            sealed_vault_key=_seal_vault_key(
                vault_key, slot.person.box_public, file.vault_id, epoch, slot.person.staff
            ),
        )
        for slot in file.slots
        if slot.person.staff != without
    )
    part = replace(
        file.vault,
        epoch=epoch,
        recovery_sealed=_seal_vault_key(vault_key, file.vault.recovery_public, file.vault_id, epoch, b""),
    )
    file = replace(file, generation=file.generation + 1, slots=slots, vault=part)
    file = _completed(file, vault_key, database_key, unlocked.device_seed, random)
    return file, _opened(file, unlocked.person, vault_key)


def vault_key_of_county(sealed: bytes, vault_id: bytes, epoch: int, recovery_private: bytes) -> bytes:
    """The vault key from the county's slot (80 bytes); `recovery_private` is the X25519 key that the county keeps
    offline. VaultProblem("wrong-recovery-key")."""
    try:
        return _unseal_vault_key(sealed, recovery_private, vault_id, epoch, b"")
    except VaultProblem:
        raise VaultProblem("wrong-recovery-key") from None


def epoch_of(vault_id: bytes, salt: bytes) -> int | None:
    """Which epoch's database of this vault begins with `salt`; None for a file of something else."""
    name = _database_name(vault_id)
    if salt[:-_EPOCH_BYTES] != name[:-_EPOCH_BYTES]:
        return None
    return int.from_bytes(salt[-_EPOCH_BYTES:], "big") ^ int.from_bytes(name[-_EPOCH_BYTES:], "big")


# --- a keyring: persons without a vault key -----------------------------------------------------------------


def create_keyring(
    folder: Path, *, staff: bytes, label: str, password: str, random: Random, kdf: KdfParameters = FLOOR
) -> PersonKeys:
    """Makes a keyring with its first person; raises as `create`."""
    slotfile.refuse_existing(folder)
    empty = SlotFile(vault_id=random(ID_BYTES), generation=0, slots=(), vault=None)
    keys, file = _with_person(empty, staff, label, password, random, kdf, None)
    slotfile.write(folder, file)
    return keys


def add_to_keyring(
    folder: Path, *, staff: bytes, label: str, password: str, random: Random, kdf: KdfParameters = FLOOR
) -> PersonKeys:
    """One more person in the keyring, whose rights the log decides. Raises as `add_person`."""
    file = slotfile.read(folder).file
    if file.vault is not None:
        raise VaultProblem("vault-foreign")
    keys, grown = _with_person(file, staff, label, password, random, kdf, None)
    slotfile.write(folder, grown)
    return keys


def open_keyring(folder: Path, staff: bytes, password: str) -> PersonKeys:
    """The private keys of `staff`; raises as `unlock`. Also works on a vault: for a second signature."""
    found = slotfile.read(folder)
    person, _ = _open_slot(found.file, staff, password)
    slotfile.repair(folder, found)
    return person


# --- one slot -----------------------------------------------------------------------------------------------


def _bound_to_slot(person: Person, salt: bytes, kdf: KdfParameters) -> list[Any]:
    return [
        person.staff,
        person.label,
        person.box_public,
        person.signing_public,
        salt,
        [kdf.memory_kib, kdf.passes, kdf.lanes],
    ]


def _make_slot(
    vault_id: bytes,
    keys: PersonKeys,
    label: str,
    password: str,
    random: Random,
    kdf: KdfParameters,
    vault: tuple[int, bytes] | None,
    former: bytes | None = None,
) -> Slot:
    if not password:
        raise InputProblem("password-empty")
    if len(keys.staff) != ID_BYTES:
        raise ValueError("a staff id is 16 bytes")
    try:
        encoding.encode(label)
    except ChainBroken:
        raise InputProblem("name-unusable", limit=MAX_LABEL) from None
    if not 0 < len(label) <= MAX_LABEL:
        raise InputProblem("name-unusable", limit=MAX_LABEL)
    person = Person(staff=keys.staff, label=label, box_public=keys.box_public, signing_public=keys.signing_public)
    salt = random(16)
    wrapped = sealing.wrap(
        sealing.key_of(password, salt, kdf),
        keys.box_private + keys.signing_seed,
        random,
        "private keys",
        vault_id,
        *_bound_to_slot(person, salt, kdf),
    )
    sealed = None
    if vault is not None:
        epoch, vault_key = vault
        sealed = _seal_vault_key(vault_key, person.box_public, vault_id, epoch, person.staff)
    return Slot(person=person, salt=salt, kdf=kdf, private_keys=wrapped, sealed_vault_key=sealed, former=former)


def _with_person(
    file: SlotFile,
    staff: bytes,
    label: str,
    password: str,
    random: Random,
    kdf: KdfParameters,
    vault: tuple[int, bytes] | None,
) -> tuple[PersonKeys, SlotFile]:
    if any(slot.person.staff == staff for slot in file.slots):
        raise VaultProblem("slot-exists")
    keys = PersonKeys.make(staff, random)
    slot = _make_slot(file.vault_id, keys, label, password, random, kdf, vault)
    return keys, replace(file, generation=file.generation + 1, slots=(*file.slots, slot))


def _with_slot(file: SlotFile, made: Slot, vault_key: bytes | None) -> SlotFile:
    """`made` in the place of the slot which that person had."""
    slots = tuple(made if slot.person.staff == made.person.staff else slot for slot in file.slots)
    file = replace(file, generation=file.generation + 1, slots=slots)
    return file if vault_key is None else _with_mac(file, vault_key)


def _slot_of(file: SlotFile, staff: bytes) -> Slot:
    slot = next((slot for slot in file.slots if slot.person.staff == staff), None)
    if slot is None:
        raise VaultProblem("no-slot")
    return slot


def _open_slot(file: SlotFile, staff: bytes, password: str) -> tuple[PersonKeys, Slot]:
    slot = _slot_of(file, staff)
    try:
        both = sealing.unwrap(
            sealing.key_of(password, slot.salt, slot.kdf),
            slot.private_keys,
            "private keys",
            file.vault_id,
            *_bound_to_slot(slot.person, slot.salt, slot.kdf),
        )
    except Unopened:
        # The check sum over the file was good, so it is the password.
        raise VaultProblem("wrong-password") from None
    return PersonKeys(staff=staff, box_private=both[:32], signing_seed=both[32:]), slot


def _remembered(
    vault_id: bytes,
    keys: PersonKeys,
    slot: Slot,
    old: str,
    new: str,
    random: Random,
    kdf: KdfParameters,
    remember: int,
) -> bytes | None:
    """The last `remember` passwords with `old` among them; one salt for all, so that one derivation looks among
    them."""
    if not remember:
        return None
    key, bound = sealing.subkey(keys.box_private, "former passwords"), ("former passwords", vault_id, keys.staff)
    salt, cost, digests = random(16), [kdf.memory_kib, kdf.passes, kdf.lanes], []
    if slot.former is not None:
        try:
            salt, cost, digests = encoding.decode(sealing.unwrap(key, slot.former, *bound))
        except Unopened:
            raise VaultProblem("slots-altered") from None
    fixed = KdfParameters(memory_kib=cost[0], passes=cost[1], lanes=cost[2])
    digests = [*digests, sealing.key_of(old, salt, fixed)][-remember:]
    if sealing.key_of(new, salt, fixed) in digests:
        raise InputProblem("password-used-before", count=remember)
    return sealing.wrap(key, encoding.encode([salt, cost, digests]), random, *bound)


# --- the vault part ------------------------------------------------------------------------------------------


def _seal_vault_key(vault_key: bytes, public: bytes, vault_id: bytes, epoch: int, staff: bytes) -> bytes:
    """80 bytes; `staff` is empty for the county."""
    return sealing.seal(vault_key, public, "vault key", vault_id, epoch, staff)


def _unseal_vault_key(sealed: bytes, private: bytes, vault_id: bytes, epoch: int, staff: bytes) -> bytes:
    try:
        return sealing.unseal(sealed, private, "vault key", vault_id, epoch, staff)
    except Unopened:
        # The check sum was good: somebody who could make check sums put it here.
        raise VaultProblem("slots-altered") from None


def _vault_key_of(file: SlotFile, slot: Slot, person: PersonKeys) -> bytes:
    assert file.vault is not None
    if slot.sealed_vault_key is None:
        raise VaultProblem("vault-damaged", pages=0)
    return _unseal_vault_key(slot.sealed_vault_key, person.box_private, file.vault_id, file.vault.epoch, person.staff)


def _sealed_for(file: SlotFile, vault_key: bytes | None) -> tuple[int, bytes] | None:
    return None if file.vault is None or vault_key is None else (file.vault.epoch, vault_key)


def _opened(file: SlotFile, person: PersonKeys, vault_key: bytes) -> Unlocked:
    database_key, device_seed = _open_vault_part(file, vault_key)
    assert file.vault is not None
    return Unlocked(
        vault_id=file.vault_id,
        epoch=file.vault.epoch,
        person=person,
        vault_key=vault_key,
        database_key=DatabaseKey.of_bytes(database_key),
        device_seed=device_seed,
    )


def _database_name(vault_id: bytes) -> bytes:
    return hashlib.sha256(sealing.context("database of", vault_id)).digest()[:SALT_BYTES]


def _new_database_key(vault_id: bytes, epoch: int, random: Random) -> DatabaseKey:
    """A random key. The salt, with which the file begins in the clear, says vault and epoch to who knows the vault id,
    so that an older file is told from a foreign one; it need not be secret or random beside a random key."""
    name = _database_name(vault_id)
    number = (int.from_bytes(name[-_EPOCH_BYTES:], "big") ^ epoch).to_bytes(_EPOCH_BYTES, "big")
    return DatabaseKey(raw=random(KEY_BYTES), salt=name[:-_EPOCH_BYTES] + number)


def _completed(
    file: SlotFile, vault_key: bytes, database_key: DatabaseKey, device_seed: bytes, random: Random
) -> SlotFile:
    """With what lies under the vault key, and the proof over all of it."""
    assert file.vault is not None
    key, bound = sealing.subkey(vault_key, "wrap"), (file.vault_id, file.vault.epoch)
    part = replace(
        file.vault,
        database_key=sealing.wrap(key, database_key.to_bytes(), random, "database key", *bound),
        device_seed=sealing.wrap(key, device_seed, random, "device key", *bound),
    )
    return _with_mac(replace(file, vault=part), vault_key)


def _with_mac(file: SlotFile, vault_key: bytes) -> SlotFile:
    assert file.vault is not None
    return replace(file, vault=replace(file.vault, mac=_mac(file, vault_key)))


def _mac(file: SlotFile, vault_key: bytes) -> bytes:
    return hmac.digest(sealing.subkey(vault_key, "mac"), slotfile.covered_by_mac(file), "sha256")


def _open_vault_part(file: SlotFile, vault_key: bytes) -> tuple[bytes, bytes]:
    """Database key and device seed, after the file has proved to come from a holder of the vault key."""
    part = file.vault
    assert part is not None
    if not hmac.compare_digest(part.mac, _mac(file, vault_key)):
        raise VaultProblem("slots-altered")
    key, bound = sealing.subkey(vault_key, "wrap"), (file.vault_id, part.epoch)
    try:
        return (
            sealing.unwrap(key, part.database_key, "database key", *bound),
            sealing.unwrap(key, part.device_seed, "device key", *bound),
        )
    except Unopened:
        raise VaultProblem("slots-altered") from None
