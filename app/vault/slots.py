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

The administrators of a county have the same slots in a *keyring*: persons without a vault key.

The bytes stand in `slotfile`. Random bytes come from the caller, except for HPKE's one-time key, which
`cryptography` draws itself.
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import ChainBroken, InputProblem, VaultProblem
from app.ledger import encoding
from app.vault import slotfile
from app.vault.cipherfile import KEY_BYTES, DatabaseKey
from app.vault.slotfile import (
    ID_BYTES,
    MAX_LABEL,
    NONCE_BYTES,
    Slot,
    SlotFile,
    VaultPart,
)
from app.vault.slotfile import KdfParameters as KdfParameters  # the county knows only this module
from app.vault.slotfile import Person as Person

Random = Callable[[int], bytes]

MAX_PASSWORD = 1_000

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)

FLOOR = KdfParameters(memory_kib=64 * 1024, passes=3, lanes=4)  # second choice of RFC 9106, section 4


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
    database_key = DatabaseKey.make(random)
    device_seed = random(KEY_BYTES)
    person = PersonKeys.make(staff, random)
    bound = (vault_id, epoch)
    file = SlotFile(
        vault_id=vault_id,
        generation=1,
        slots=(_make_slot(vault_id, person, label, password, random, kdf, (epoch, vault_key)),),
        vault=VaultPart(
            epoch=epoch,
            recovery_public=recovery_public,
            recovery_sealed=_seal_vault_key(vault_key, recovery_public, *bound, b""),
            database_key=_wrap(_subkey(vault_key, "wrap"), database_key.to_bytes(), random, "database key", *bound),
            device_seed=_wrap(_subkey(vault_key, "wrap"), device_seed, random, "device key", *bound),
            mac=b"",
        ),
    )
    slotfile.write(folder, _with_mac(file, vault_key))
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
    if slot.sealed_vault_key is None:
        raise VaultProblem("vault-damaged", pages=0)
    vault_key = _unseal_vault_key(slot.sealed_vault_key, person.box_private, file.vault_id, file.vault.epoch, staff)
    opened = _open_vault_part(file, vault_key)
    return Unlocked(
        vault_id=file.vault_id,
        epoch=file.vault.epoch,
        person=person,
        vault_key=vault_key,
        database_key=DatabaseKey.of_bytes(opened[0]),
        device_seed=opened[1],
        repaired=slotfile.repair(folder, found),
    )


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


def vault_key_by_recovery(folder: Path, recovery_private: bytes) -> bytes:
    """The vault key from the county's slot; `recovery_private` is the X25519 key that the county keeps
    offline.

    Raises VaultProblem("wrong-recovery-key"), and as `people`.
    """
    file = slotfile.read(folder).file
    if file.vault is None:
        raise VaultProblem("not-a-vault")
    try:
        vault_key = _unseal_vault_key(
            file.vault.recovery_sealed, recovery_private, file.vault_id, file.vault.epoch, b""
        )
    except VaultProblem:
        raise VaultProblem("wrong-recovery-key") from None
    _open_vault_part(file, vault_key)
    return vault_key


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


def _secret(password: str) -> bytes:
    """The bytes that go into Argon2id: NFKC, so that every keyboard and system gives the same."""
    if len(password) > MAX_PASSWORD:
        raise InputProblem("password-too-long", limit=MAX_PASSWORD)
    try:
        return unicodedata.normalize("NFKC", password).encode()
    except UnicodeEncodeError:
        raise InputProblem("password-unusable") from None


def _slot_key(password: str, salt: bytes, kdf: KdfParameters) -> bytes:
    try:
        return hash_secret_raw(
            secret=_secret(password),
            salt=salt,
            time_cost=kdf.passes,
            memory_cost=kdf.memory_kib,
            parallelism=kdf.lanes,
            hash_len=KEY_BYTES,
            type=Type.ID,
        )
    except HashingError as error:
        # Everything else that Argon2 refuses was refused when the file was read.
        raise VaultProblem("not-enough-memory", mebibytes=kdf.memory_kib // 1024) from error


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
) -> Slot:
    if not password:
        raise InputProblem("password-empty")
    if len(keys.staff) != ID_BYTES:
        raise ValueError("a staff id is 16 bytes")
    if not kdf.bearable():
        raise VaultProblem("slot-parameters")
    try:
        encoding.encode(label)
    except ChainBroken:
        raise InputProblem("name-unusable", limit=MAX_LABEL) from None
    if not 0 < len(label) <= MAX_LABEL:
        raise InputProblem("name-unusable", limit=MAX_LABEL)
    person = Person(staff=keys.staff, label=label, box_public=keys.box_public, signing_public=keys.signing_public)
    salt = random(16)
    wrapped = _wrap(
        _slot_key(password, salt, kdf),
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
    return Slot(person=person, salt=salt, kdf=kdf, private_keys=wrapped, sealed_vault_key=sealed)


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


def _open_slot(file: SlotFile, staff: bytes, password: str) -> tuple[PersonKeys, Slot]:
    slot = next((slot for slot in file.slots if slot.person.staff == staff), None)
    if slot is None:
        raise VaultProblem("no-slot")
    try:
        both = _unwrap(
            _slot_key(password, slot.salt, slot.kdf),
            slot.private_keys,
            "private keys",
            file.vault_id,
            *_bound_to_slot(slot.person, slot.salt, slot.kdf),
        )
    except InvalidTag:
        # The check sum over the file was good, so it is the password.
        raise VaultProblem("wrong-password") from None
    return PersonKeys(staff=staff, box_private=both[:32], signing_seed=both[32:]), slot


# --- sealing and wrapping -----------------------------------------------------------------------------------


def _context(purpose: str, *bound: Any) -> bytes:
    return encoding.encode([f"hudang-slots/1 {purpose}", *bound])


def _subkey(vault_key: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=_context(purpose)).derive(vault_key)


def _wrap(key: bytes, secret: bytes, random: Random, purpose: str, *bound: Any) -> bytes:
    nonce = random(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, _context(purpose, *bound))


def _unwrap(key: bytes, wrapped: bytes, purpose: str, *bound: Any) -> bytes:
    return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _context(purpose, *bound))


def _seal_vault_key(vault_key: bytes, public: bytes, vault_id: bytes, epoch: int, staff: bytes) -> bytes:
    """HPKE base mode (RFC 9180), 80 bytes; `staff` is empty for the county."""
    return _SUITE.encrypt(
        vault_key, X25519PublicKey.from_public_bytes(public), _context("vault key", vault_id, epoch, staff)
    )


def _unseal_vault_key(sealed: bytes, private: bytes, vault_id: bytes, epoch: int, staff: bytes) -> bytes:
    try:
        return _SUITE.decrypt(
            sealed,
            X25519PrivateKey.from_private_bytes(private),
            _context("vault key", vault_id, epoch, staff),
        )
    except (InvalidTag, ValueError):
        # The check sum was good: somebody who could make check sums put it here.
        raise VaultProblem("slots-altered") from None


def _with_mac(file: SlotFile, vault_key: bytes) -> SlotFile:
    assert file.vault is not None
    return replace(file, vault=replace(file.vault, mac=_mac(file, vault_key)))


def _mac(file: SlotFile, vault_key: bytes) -> bytes:
    return hmac.digest(_subkey(vault_key, "mac"), slotfile.covered_by_mac(file), "sha256")


def _open_vault_part(file: SlotFile, vault_key: bytes) -> tuple[bytes, bytes]:
    """Database key and device seed, after the file has proved to come from a holder of the vault key."""
    part = file.vault
    assert part is not None
    if not hmac.compare_digest(part.mac, _mac(file, vault_key)):
        raise VaultProblem("slots-altered")
    key, bound = _subkey(vault_key, "wrap"), (file.vault_id, part.epoch)
    try:
        return (
            _unwrap(key, part.database_key, "database key", *bound),
            _unwrap(key, part.device_seed, "device key", *bound),
        )
    except InvalidTag:
        raise VaultProblem("slots-altered") from None
