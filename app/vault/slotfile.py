"""The slot file as bytes: what stands in it, in two copies, each with a check sum.

- The file stands twice in the folder, each copy written whole (`disk.write_whole`), each with a generation
  and a check sum. The higher good one counts, the other is written again. A flipped bit or a torn write costs
  nothing.
- Parameters that would hang or exhaust the machine are refused before anything uses them.
- What a newer program wrote is not taken apart: it would be lost at the next write.
- A person's label stands in clear, because the list of colleagues is shown before anybody has unlocked. It is
  the name that the village notice board shows beside the office of the grid worker; number, telephone and
  role are inside the vault. A list that only the device can read would need a key on the device, and its
  thief has that too.

File: MAGIC ‖ D1 map (`_Key`, `_PersonKey`) ‖ SHA-256 of all before. What the pieces mean stands in `slots`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from app.errors import ChainBroken, VaultProblem
from app.ledger import encoding
from app.vault import disk

FILE_NAMES = ("slots.cbor", "slots.copy.cbor")
MAGIC = b"hudang-slots\n"
VERSION = 1
ID_BYTES = 16
NONCE_BYTES = 12
TAG_BYTES = 16
SEALED_KEY_BYTES = 80  # HPKE: one-time key 32, vault key 32, tag 16
MAX_FILE_BYTES = 1024 * 1024
MAX_LABEL = 64

_CHECKSUM_BYTES = 32


class _Key(IntEnum):
    """Keys of the map in the file. Numbers are permanent."""

    VERSION = 1
    VAULT = 2
    GENERATION = 3
    PERSONS = 4
    EPOCH = 5  # from here on absent in a keyring
    RECOVERY_PUBLIC = 6
    RECOVERY_SEALED = 7
    DATABASE_KEY = 8
    DEVICE_SEED = 9
    MAC = 10


class _PersonKey(IntEnum):
    """Keys of the map of one person. Numbers are permanent."""

    STAFF = 1
    LABEL = 2
    BOX_PUBLIC = 3
    SIGNING_PUBLIC = 4
    SALT = 5
    MEMORY_KIB = 6
    PASSES = 7
    LANES = 8
    PRIVATE_KEYS = 9
    VAULT_KEY = 10  # absent in a keyring
    FORMER = 11  # absent where no former passwords are remembered


@dataclass(frozen=True, slots=True, kw_only=True)
class KdfParameters:
    """Cost of Argon2id (RFC 9106): memory in KiB, passes over it, lanes."""

    memory_kib: int
    passes: int
    lanes: int

    def bearable(self) -> bool:
        """Whether a slot with these may be tried: at most 1 GiB, 20 passes, 16 lanes (security.md 2.2)."""
        return 8 * self.lanes <= self.memory_kib <= 1024 * 1024 and 1 <= self.passes <= 20 and 1 <= self.lanes <= 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the list of colleagues shows before anybody has unlocked; both public keys 32 bytes."""

    staff: bytes
    label: str
    box_public: bytes
    signing_public: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One person in the file."""

    person: Person
    salt: bytes
    kdf: KdfParameters
    private_keys: bytes
    sealed_vault_key: bytes | None
    former: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultPart:
    """What a keyring does not have."""

    epoch: int
    recovery_public: bytes
    recovery_sealed: bytes
    database_key: bytes
    device_seed: bytes
    mac: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotFile:
    vault_id: bytes
    generation: int
    slots: tuple[Slot, ...]
    vault: VaultPart | None


@dataclass(frozen=True, slots=True)
class Found:
    """The copy that counts, its bytes, and the names of the copies that are not the same."""

    file: SlotFile
    data: bytes
    unlike: tuple[str, ...]


def _to_map(file: SlotFile) -> dict[int, Any]:
    persons = []
    for slot in file.slots:
        entry: dict[int, Any] = {
            _PersonKey.STAFF: slot.person.staff,
            _PersonKey.LABEL: slot.person.label,
            _PersonKey.BOX_PUBLIC: slot.person.box_public,
            _PersonKey.SIGNING_PUBLIC: slot.person.signing_public,
            _PersonKey.SALT: slot.salt,
            _PersonKey.MEMORY_KIB: slot.kdf.memory_kib,
            _PersonKey.PASSES: slot.kdf.passes,
            _PersonKey.LANES: slot.kdf.lanes,
            _PersonKey.PRIVATE_KEYS: slot.private_keys,
        }
        if slot.sealed_vault_key is not None:
            entry[_PersonKey.VAULT_KEY] = slot.sealed_vault_key
        if slot.former is not None:
            entry[_PersonKey.FORMER] = slot.former
        persons.append({int(key): value for key, value in entry.items()})
    body: dict[int, Any] = {
        _Key.VERSION: VERSION,
        _Key.VAULT: file.vault_id,
        _Key.GENERATION: file.generation,
        _Key.PERSONS: persons,
    }
    if file.vault is not None:
        body |= {
            _Key.EPOCH: file.vault.epoch,
            _Key.RECOVERY_PUBLIC: file.vault.recovery_public,
            _Key.RECOVERY_SEALED: file.vault.recovery_sealed,
            _Key.DATABASE_KEY: file.vault.database_key,
            _Key.DEVICE_SEED: file.vault.device_seed,
            _Key.MAC: file.vault.mac,
        }
    return {int(key): value for key, value in body.items()}


def covered_by_mac(file: SlotFile) -> bytes:
    """Everything in the file but the code that proves it."""
    body = _to_map(file)
    body.pop(int(_Key.MAC), None)
    return encoding.encode(body)


def _damaged() -> VaultProblem:
    return VaultProblem("vault-damaged", pages=0)


def _bytes_of(value: Any, length: int) -> bytes:
    if type(value) is not bytes or len(value) != length:
        raise _damaged()
    return value


def _number_of(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _damaged()
    return value


def _parse(data: bytes) -> SlotFile:
    """The file in `data`; VaultProblem as `read`."""
    if not data.startswith(MAGIC):
        raise VaultProblem("not-a-vault")
    inside, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if hashlib.sha256(inside).digest() != checksum:
        raise _damaged()
    try:
        body = encoding.decode(inside[len(MAGIC) :])
    except ChainBroken:
        raise _damaged() from None
    if type(body) is not dict:
        raise _damaged()
    if _number_of(body.get(_Key.VERSION)) > VERSION:
        raise VaultProblem("vault-newer")
    persons = body.get(_Key.PERSONS)
    if type(persons) is not list or not persons:
        raise _damaged()
    is_vault = _Key.MAC in body
    vault = None
    if is_vault:
        wrapping = NONCE_BYTES + TAG_BYTES
        vault = VaultPart(
            epoch=_number_of(body.get(_Key.EPOCH)),
            recovery_public=_bytes_of(body.get(_Key.RECOVERY_PUBLIC), 32),
            recovery_sealed=_bytes_of(body.get(_Key.RECOVERY_SEALED), SEALED_KEY_BYTES),
            database_key=_bytes_of(body.get(_Key.DATABASE_KEY), wrapping + 48),
            device_seed=_bytes_of(body.get(_Key.DEVICE_SEED), wrapping + 32),
            mac=_bytes_of(body.get(_Key.MAC), 32),
        )
    file = SlotFile(
        vault_id=_bytes_of(body.get(_Key.VAULT), ID_BYTES),
        generation=_number_of(body.get(_Key.GENERATION)),
        slots=tuple(_parse_slot(entry, is_vault) for entry in persons),
        vault=vault,
    )
    # What this version does not know it would drop at the next write.
    if _to_map(file) != body:
        raise _damaged()
    return file


def _parse_slot(entry: Any, is_vault: bool) -> Slot:
    if type(entry) is not dict:
        raise _damaged()
    kdf = KdfParameters(
        memory_kib=_number_of(entry.get(_PersonKey.MEMORY_KIB)),
        passes=_number_of(entry.get(_PersonKey.PASSES)),
        lanes=_number_of(entry.get(_PersonKey.LANES)),
    )
    if not kdf.bearable():
        raise VaultProblem("slot-parameters")
    label = entry.get(_PersonKey.LABEL)
    if type(label) is not str or not 0 < len(label) <= MAX_LABEL:
        raise _damaged()
    former = entry.get(_PersonKey.FORMER)
    if former is not None and type(former) is not bytes:
        raise _damaged()
    return Slot(
        person=Person(
            staff=_bytes_of(entry.get(_PersonKey.STAFF), ID_BYTES),
            label=label,
            box_public=_bytes_of(entry.get(_PersonKey.BOX_PUBLIC), 32),
            signing_public=_bytes_of(entry.get(_PersonKey.SIGNING_PUBLIC), 32),
        ),
        salt=_bytes_of(entry.get(_PersonKey.SALT), 16),
        kdf=kdf,
        private_keys=_bytes_of(entry.get(_PersonKey.PRIVATE_KEYS), NONCE_BYTES + 64 + TAG_BYTES),
        sealed_vault_key=_bytes_of(entry.get(_PersonKey.VAULT_KEY), SEALED_KEY_BYTES) if is_vault else None,
        former=former,
    )


def read(folder: Path) -> Found:
    """The good copy with the highest generation, else the clearest reason why there is none.

    VaultProblem: "not-a-vault" (none there, or something else), "vault-damaged", "vault-newer",
    "slot-parameters", disk codes.
    """
    good: dict[str, tuple[SlotFile, bytes]] = {}
    problems: list[VaultProblem] = []
    for name in FILE_NAMES:
        with disk.disk_errors():
            try:
                with (folder / name).open("rb") as stream:
                    data = stream.read(MAX_FILE_BYTES + 1)
            except (FileNotFoundError, NotADirectoryError):
                continue
        try:
            if len(data) > MAX_FILE_BYTES:
                raise VaultProblem("not-a-vault")
            good[name] = (_parse(data), data)
        except VaultProblem as problem:
            problems.append(problem)
    if not good:
        # A copy that says more than "not a vault" knows better.
        raise max(problems, key=lambda problem: problem.code != "not-a-vault", default=VaultProblem("not-a-vault"))
    # A copy that belongs to another vault is not a newer one, whatever its generation.
    vault_id = next(iter(good.values()))[0].vault_id
    ours = [found for found in good.values() if found[0].vault_id == vault_id]
    file, data = max(ours, key=lambda found: found[0].generation)
    unlike = tuple(other for other in FILE_NAMES if other not in good or good[other][1] != data)
    return Found(file, data, unlike)


def write(folder: Path, file: SlotFile) -> None:
    """Both copies, one after the other: at every moment one of them is whole."""
    inside = MAGIC + encoding.encode(_to_map(file))
    for name in FILE_NAMES:
        disk.write_whole(folder / name, inside + hashlib.sha256(inside).digest())


def repair(folder: Path, found: Found) -> bool:
    """Writes the good copy over the others; whether it could. A disk that takes nothing keeps nobody out."""
    try:
        for name in found.unlike:
            disk.write_whole(folder / name, found.data)
    except VaultProblem:
        return False
    return bool(found.unlike)


def refuse_existing(folder: Path) -> None:
    """VaultProblem("vault-exists") when a copy lies in `folder`, good or not."""
    if any((folder / name).exists() for name in FILE_NAMES):
        raise VaultProblem("vault-exists")
