"""A forgotten password, without a network and without losing anything: two small files, or two codes to scan.

    laptop   begin    two new key pairs for the person, kept in the vault's folder under the new password; a request
    county   answer   opens the vault key with the recovery key, which is kept offline, and seals it to the request
    laptop   finish   opens the answer with the new password and puts the new keys into the person's slot

- The county never learns a password, old or new, and opens the vault key of that one request only. The answer is bound
  to the digest of the request: a photograph of it is worth nothing to anybody else.
- The person signs with a new key, so a new chain begins: the answer carries the county's entry that names it. Until the
  chain stands in the database the request and its answer are kept (`answered`); then `close` removes them.
- Anybody at the keyboard can ask, for anybody. So a request replaces only an earlier one of the same person, and never
  what is kept for keys that a slot has already.
- Request and answer are read out over the telephone as four words. The words are stretched by Argon2id, so that nobody
  makes a second file with the same words.
- Who is who decides the county, by voice and by knowing its people: nothing in a request proves a person.

Both are D1 arrays with a check sum. `begin`, `finish` and `close` write in the vault's folder only.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from app.errors import ChainBroken, InputProblem, VaultProblem
from app.ledger import chain as chains
from app.ledger import encoding
from app.text import RESOURCES
from app.vault import disk, sealing, slotfile, slots
from app.vault.attempts import Attempts, counting
from app.vault.sealing import FLOOR, Random, Unopened
from app.vault.slotfile import ID_BYTES, KdfParameters
from app.vault.slots import PersonKeys, Unlocked

FILES: Final = "recovery-*.cbor"  # named by digests: of a person what waits, of a signing key what was answered
LARGEST: Final = 16 * 1024  # bytes of any of the files
WORDS: Final = RESOURCES / "words" / "check.txt"

_REQUEST: Final = "hudang-request/1"
_ANSWER: Final = "hudang-answer/1"
_KEPT: Final = "hudang-recovery/1"
_CHECKSUM_BYTES: Final = 8
_WORDS_KDF: Final = KdfParameters(memory_kib=64 * 1024, passes=1, lanes=4)
_WORDS_SALT: Final = b"hudang words 1.."

EnrolEntry = tuple[bytes, bytes, bytes]


class Encodable(Protocol):
    """A request or an answer."""

    def encode(self) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a laptop asks the county: its slot at this vault and `epoch` (80 bytes), and the person's new public keys.
    Nothing in it is secret."""

    vault_id: bytes
    epoch: int
    staff: bytes
    recovery_sealed: bytes
    box_public: bytes
    signing_public: bytes
    nonce: bytes

    @property
    def chain(self) -> bytes:
        """Id of the chain that the person goes on with."""
        return chains.chain_id(self.signing_public, self.nonce)

    def encode(self) -> bytes:
        return _file(
            _REQUEST,
            [
                self.vault_id,
                self.epoch,
                self.staff,
                self.recovery_sealed,
                self.box_public,
                self.signing_public,
                self.nonce,
            ],
        )

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """InputProblem("recovery-not-ours" | "recovery-damaged" | "recovery-newer")."""
        body = _open_file(_REQUEST, data, (16, int, 16, slotfile.SEALED_KEY_BYTES, 32, 32, 16))
        return cls(
            vault_id=body[0],
            epoch=body[1],
            staff=body[2],
            recovery_sealed=body[3],
            box_public=body[4],
            signing_public=body[5],
            nonce=body[6],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the county answers: the vault key sealed to the request's key (80 bytes), and its entry (bytes, signature,
    payload) that says whose the new chain is. Nothing in it is secret to who has no such key."""

    vault_id: bytes
    epoch: int
    request: bytes
    sealed: bytes
    enrol: EnrolEntry

    def encode(self) -> bytes:
        return _file(_ANSWER, [self.vault_id, self.epoch, self.request, self.sealed, *self.enrol])

    @classmethod
    def decode(cls, data: bytes) -> Answer:
        """InputProblem("recovery-not-ours" | "recovery-damaged" | "recovery-newer")."""
        body = _open_file(_ANSWER, data, (16, int, 32, slotfile.SEALED_KEY_BYTES, None, 64, None))
        return cls(vault_id=body[0], epoch=body[1], request=body[2], sealed=body[3], enrol=(body[4], body[5], body[6]))


# --- at the laptop ------------------------------------------------------------------------------------------


def begin(folder: Path, staff: bytes, password: str, *, random: Random, kdf: KdfParameters = FLOOR) -> Request:
    """New keys for `staff`, kept under the new `password` until the answer comes, however often the program starts
    between. A second begin of the same person replaces the first, whose answer is then of no use.

    VaultProblem("no-slot", disk codes) and as `slots.people`; InputProblem of the password.
    """
    file = slotfile.read(folder).file
    if file.vault is None:
        raise VaultProblem("not-a-vault")
    if all(slot.person.staff != staff for slot in file.slots):
        raise VaultProblem("no-slot")
    if not password:
        raise InputProblem("password-empty")
    keys = PersonKeys.make(staff, random)
    request = Request(
        vault_id=file.vault_id,
        epoch=file.vault.epoch,
        staff=staff,
        recovery_sealed=file.vault.recovery_sealed,
        box_public=keys.box_public,
        signing_public=keys.signing_public,
        nonce=random(ID_BYTES),
    )
    salt = random(16)
    wrapped = sealing.wrap(
        sealing.key_of(password, salt, kdf),
        keys.box_private + keys.signing_seed,
        random,
        "keys of a request",
        _digest(request),
    )
    _keep(waits_at(folder, staff), _Kept(request=request, salt=salt, kdf=kdf, keys=wrapped))
    return request


def waiting(folder: Path, staff: bytes | None = None) -> Request | None:
    """The request of `staff` that waits for its answer in `folder`, to show it again; without `staff` that of the one
    person who asked. InputProblem("recovery-damaged")."""
    if staff is not None:
        kept = _kept(waits_at(folder, staff))
        return None if kept is None else kept.request
    asked = {found.request.staff: found.request for found in _waiting(folder)}
    return next(iter(asked.values())) if len(asked) == 1 else None


def waits_at(folder: Path, staff: bytes) -> Path:
    """Where the request of `staff` waits."""
    return _named(folder, b"waiting", staff)


def finish(
    folder: Path,
    password: str,
    answer: Answer,
    *,
    random: Random,
    kdf: KdfParameters = FLOOR,
    attempts: Attempts | None = None,
) -> Unlocked:
    """Puts the new keys into the person's slot under the new `password`, the one given to `begin`. Vault key, epoch,
    data and everybody else's slot stay as they are. Cut off anywhere, it can be done again.

    Afterwards `answered` says what is still to be written into the vault: the county's entry and the genesis of the
    new chain; then `close`.

    VaultProblem: "recovery-none" (nothing waits here), "answer-other-vault", "answer-foreign" (of another request),
    "answer-outdated" (the keys were renewed since), "answer-unusable" (it does not open), "wrong-password" and as
    `Attempts.counting`, "slots-altered", "no-slot", disk codes.
    """
    asked = _waiting(folder)
    if not asked:
        raise VaultProblem("recovery-none")
    file = slotfile.read(folder).file
    if answer.vault_id != file.vault_id:
        raise VaultProblem("answer-other-vault")
    kept = next((found for found in asked if _digest(found.request) == answer.request), None)
    if kept is None:
        raise VaultProblem("answer-foreign")
    request = kept.request
    if file.vault is None or answer.epoch != file.vault.epoch:
        raise VaultProblem("answer-outdated")
    # Who asked knows the password of the request: alone it clears no count. Only an answer that opens the vault does.
    with counting(attempts, folder, request.staff):
        keys = _open_keys(kept, password)
        try:
            vault_key = sealing.unseal(answer.sealed, keys.box_private, *_bound(request))
        except Unopened:
            raise VaultProblem("answer-unusable") from None
        slots.prove(folder, vault_key)
        # The answer first: once the slot has the new keys, the chain they sign must be able to begin.
        _keep(_answered_at(folder, request.signing_public), replace(kept, answer=answer))
        return slots.replace_keys(folder, vault_key, keys, password, random=random, kdf=kdf)


def answered(folder: Path, signing_public: bytes) -> tuple[Request, EnrolEntry] | None:
    """After an unlocking with the signing key `signing_public`: the recovery that brought this key, whose chain has
    still to begin. The caller writes the county's entry and a genesis with `Request.nonce` that cites the old chain,
    unless both are there, and then calls `close`. InputProblem("recovery-damaged")."""
    kept = _kept(_answered_at(folder, signing_public))
    if kept is None or kept.answer is None or kept.request.signing_public != signing_public:
        return None
    return kept.request, kept.answer.enrol


def close(folder: Path, staff: bytes) -> None:
    """Removes what was kept for `staff`: the recovery is finished, or given up. VaultProblem of the disk."""
    with disk.disk_errors():
        for path in _files(folder):
            with suppress(InputProblem):
                kept = _kept(path)
                if kept is not None and kept.request.staff == staff:
                    path.unlink(missing_ok=True)
        disk.sync_folder(folder)


# --- at the county ------------------------------------------------------------------------------------------


def answer(request: Request, recovery_private: bytes, enrol: EnrolEntry) -> Answer:
    """The vault key of `request`, opened with the county's X25519 key and sealed to the new key of the person; on a
    machine without a network. `enrol`: the county's entry that records `request.chain` as the person's.

    VaultProblem("wrong-recovery-key"); InputProblem("recovery-damaged") when the key in the request is none.
    """
    vault_key = slots.vault_key_of_county(request.recovery_sealed, request.vault_id, request.epoch, recovery_private)
    try:
        sealed = sealing.seal(vault_key, request.box_public, *_bound(request))
    except ValueError:
        raise InputProblem("recovery-damaged") from None
    return Answer(vault_id=request.vault_id, epoch=request.epoch, request=_digest(request), sealed=sealed, enrol=enrol)


# --- over the telephone -------------------------------------------------------------------------------------


def words(data: bytes) -> tuple[str, str, str, str]:
    """Four check words for an encoded request or answer: 32 bits of Argon2id over its SHA-256, one word of 256 for each
    byte. Takes about 0.1 s, and everybody who looks for another file with the same words that long for each try."""
    digest = hashlib.sha256(data).hexdigest()
    chosen = [check_words()[byte] for byte in sealing.key_of(digest, _WORDS_SALT, _WORDS_KDF)[:4]]
    return chosen[0], chosen[1], chosen[2], chosen[3]


@cache
def check_words() -> tuple[str, ...]:
    """The 256 words, all of two common characters, no two of which sound alike."""
    return tuple(WORDS.read_text(encoding="utf-8").split())


# --- as bytes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What lies in the vault's folder meanwhile."""

    request: Request
    salt: bytes
    kdf: KdfParameters
    keys: bytes = field(repr=False)
    answer: Answer | None = None

    def encode(self) -> bytes:
        cost = (self.kdf.memory_kib, self.kdf.passes, self.kdf.lanes)
        answered = b"" if self.answer is None else self.answer.encode()
        return _file(_KEPT, [self.request.encode(), self.salt, *cost, self.keys, answered])


def _named(folder: Path, what: bytes, whose: bytes) -> Path:
    """The name says nothing about anybody."""
    return folder / FILES.replace("*", hashlib.sha256(b"recovery" + what + whose).hexdigest()[:32])


def _answered_at(folder: Path, signing_public: bytes) -> Path:
    return _named(folder, b"answered", signing_public)


def _files(folder: Path) -> list[Path]:
    with disk.disk_errors():
        return sorted(folder.glob(FILES))


def _waiting(folder: Path) -> list[_Kept]:
    """All requests that wait here. A damaged one keeps nobody else waiting; InputProblem when there is no other."""
    found, problems = [], []
    for path in _files(folder):
        try:
            kept = _kept(path)
        except InputProblem as problem:
            problems.append(problem)
            continue
        if kept is not None and path == waits_at(folder, kept.request.staff):
            found.append(kept)
    if problems and not found:
        raise problems[0]
    return found


def _kept(path: Path) -> _Kept | None:
    with disk.disk_errors():
        try:
            with path.open("rb") as stream:
                data = stream.read(LARGEST + 1)
        except FileNotFoundError:
            return None
    body = _open_file(_KEPT, data, (None, 16, int, int, int, 12 + 64 + 16, None))
    return _Kept(
        request=Request.decode(body[0]),
        salt=body[1],
        kdf=KdfParameters(memory_kib=body[2], passes=body[3], lanes=body[4]),
        keys=body[5],
        answer=Answer.decode(body[6]) if body[6] else None,
    )


def _keep(path: Path, kept: _Kept) -> None:
    disk.write_whole(path, kept.encode())


def _open_keys(kept: _Kept, password: str) -> PersonKeys:
    try:
        both = sealing.unwrap(
            sealing.key_of(password, kept.salt, kept.kdf), kept.keys, "keys of a request", _digest(kept.request)
        )
    except Unopened:
        raise VaultProblem("wrong-password") from None
    return PersonKeys(staff=kept.request.staff, box_private=both[:32], signing_seed=both[32:])


def _bound(request: Request) -> tuple[str, bytes]:
    return "vault key of a request", _digest(request)


def _digest(of: Encodable) -> bytes:
    return hashlib.sha256(of.encode()).digest()


def _file(kind: str, body: list[Any]) -> bytes:
    inside = encoding.encode([kind, *body])
    return inside + hashlib.sha256(inside).digest()[:_CHECKSUM_BYTES]


def _open_file(kind: str, data: bytes, shape: tuple[type | int | None, ...]) -> list[Any]:
    """The values of a file of `kind`; `shape` has a length for bytes of one length, None for bytes of any, int for a
    number. What begins like one of ours but does not hold is damaged, all else is not ours."""
    name = kind.partition("/")[0]
    # Behind the head of the array stands the text's own head, then the text.
    if name.encode() not in data[:24]:
        raise InputProblem("recovery-not-ours")
    inside = data[:-_CHECKSUM_BYTES]
    if len(data) > LARGEST or hashlib.sha256(inside).digest()[:_CHECKSUM_BYTES] != data[-_CHECKSUM_BYTES:]:
        raise InputProblem("recovery-damaged")
    try:
        found = encoding.decode(inside)
    except ChainBroken:
        raise InputProblem("recovery-damaged") from None
    if not isinstance(found, list) or not found or found[0] != kind:
        raise InputProblem("recovery-newer")
    body = found[1:]
    if len(body) != len(shape) or not all(_fits(value, wanted) for value, wanted in zip(body, shape, strict=True)):
        raise InputProblem("recovery-damaged")
    return body


def _fits(value: Any, wanted: type | int | None) -> bool:
    if wanted is int:
        return type(value) is int and value >= 0
    return type(value) is bytes and wanted in (None, len(value))
