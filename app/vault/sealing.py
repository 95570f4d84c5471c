"""How a secret lies on a disk: under a key, under a password, or for the holder of a private key.

    wrap, unwrap    under a 32-byte key: AES-256-GCM with a random nonce
    key_of          from a password: Argon2id (RFC 9106)
    seal, unseal    to an X25519 public key: HPKE base mode (RFC 9180)
    calibrate       how much Argon2id costs on this machine

Every piece is bound to its purpose and to whatever else the caller names: it opens nowhere else. Random bytes come from
the caller, except for HPKE's one-time key, which `cryptography` draws itself.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from argon2.exceptions import HashingError
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import InputProblem, VaultProblem
from app.ledger import encoding
from app.vault.slotfile import NONCE_BYTES, KdfParameters

Random = Callable[[int], bytes]

KEY_BYTES: Final = 32
MAX_PASSWORD: Final = 1_000

FLOOR: Final = KdfParameters(memory_kib=64 * 1024, passes=3, lanes=4)  # second choice of RFC 9106, section 4

# Bounds of security.md 2.2. What is aimed at lies below the middle of its 0.5-1.0 s: opening the file, counting the
# try and the first page come on top, and all of it has to stay below 1.5 s.
CEILING_KIB: Final = 512 * 1024
AIM_S: Final = 0.6
LONGEST_S: Final = 0.9
_STEP_KIB: Final = 16 * 1024
_MOST_PASSES: Final = 12

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


class Unopened(Exception):
    """A piece was not made with this key for this place; the caller knows what that means."""


def context(purpose: str, *bound: Any) -> bytes:
    """What a piece is bound to."""
    return encoding.encode([f"hudang-slots/1 {purpose}", *bound])


def subkey(key: bytes, purpose: str) -> bytes:
    """A key of its own for `purpose`, by HKDF-SHA-256; 32 bytes."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=context(purpose)).derive(key)


def wrap(key: bytes, secret: bytes, random: Random, purpose: str, *bound: Any) -> bytes:
    """`secret` under the 32-byte `key`: nonce (12 bytes), ciphertext, tag (16 bytes)."""
    nonce = random(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, secret, context(purpose, *bound))


def unwrap(key: bytes, wrapped: bytes, purpose: str, *bound: Any) -> bytes:
    """The secret; Unopened when key, purpose or what it is bound to differ."""
    try:
        return AESGCM(key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context(purpose, *bound))
    except InvalidTag:
        raise Unopened from None


def seal(secret: bytes, public: bytes, purpose: str, *bound: Any) -> bytes:
    """`secret` for the holder of the private key of `public` (32 bytes); 48 bytes longer than the secret."""
    return _SUITE.encrypt(secret, X25519PublicKey.from_public_bytes(public), context(purpose, *bound))


def unseal(sealed: bytes, private: bytes, purpose: str, *bound: Any) -> bytes:
    """The secret, with the X25519 private key (32 bytes); Unopened as `unwrap`."""
    try:
        return _SUITE.decrypt(sealed, X25519PrivateKey.from_private_bytes(private), context(purpose, *bound))
    except (InvalidTag, ValueError):
        raise Unopened from None


def secret_of(password: str) -> bytes:
    """The bytes that go into Argon2id: NFKC, so that every keyboard and system gives the same.

    InputProblem("password-too-long" | "password-unusable").
    """
    if len(password) > MAX_PASSWORD:
        raise InputProblem("password-too-long", limit=MAX_PASSWORD)
    try:
        return unicodedata.normalize("NFKC", password).encode()
    except UnicodeEncodeError:
        raise InputProblem("password-unusable") from None


def key_of(password: str, salt: bytes, kdf: KdfParameters) -> bytes:
    """32 bytes from a password and a 16-byte salt; takes as long as `kdf` says.

    VaultProblem("slot-parameters" | "not-enough-memory"), InputProblem as `secret_of`.
    """
    if not kdf.bearable():
        raise VaultProblem("slot-parameters")
    try:
        return hash_secret_raw(
            secret=secret_of(password),
            salt=salt,
            time_cost=kdf.passes,
            memory_cost=kdf.memory_kib,
            parallelism=kdf.lanes,
            hash_len=KEY_BYTES,
            type=Type.ID,
        )
    except HashingError as error:
        raise VaultProblem("not-enough-memory", mebibytes=kdf.memory_kib // 1024) from error


# --- what it costs here -------------------------------------------------------------------------------------


def seconds_of(kdf: KdfParameters) -> float:
    """How long one derivation takes on this machine, now."""
    begun = time.perf_counter()
    key_of("a password of usual length", bytes(16), kdf)
    return time.perf_counter() - begun


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of Windows."""

    _fields_ = (
        ("length", ctypes.c_ulong),
        ("load", ctypes.c_ulong),
        ("total", ctypes.c_ulonglong),
        ("rest", ctypes.c_ulonglong * 6),
    )


def physical_memory() -> int:
    """Bytes of memory in this machine; 0 where the system does not say."""
    if sys.platform == "win32":
        status = _MemoryStatus(length=ctypes.sizeof(_MemoryStatus))
        return int(status.total) if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else 0
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def calibrate(
    *, memory_bytes: int | None = None, measure: Callable[[KdfParameters], float] = seconds_of
) -> KdfParameters:
    """What Argon2id may cost on this machine: about `AIM_S`, never less than the floor.

    Floor 64 MiB, 3 passes, 4 lanes, ceiling 512 MiB, about 0.5 to 1.0 s (security.md 2.2, after RFC 9106 section 4);
    never above a quarter of the machine's memory, so that 4 GB are enough beside an office and a browser. Memory is
    raised first, because it is what a guesser has to buy; passes only when memory may not grow. Time grows with
    memory times passes, a little faster where the cache of the processor ends: what came out is measured too, and cut
    down until it is short enough. Where memory is short the floor stands. Takes about twice the aim.

    `measure` gives seconds for parameters; `memory_bytes` is the machine's memory, asked of the system when absent.
    VaultProblem("not-enough-memory") when not even the floor can be had.
    """
    memory = physical_memory() if memory_bytes is None else memory_bytes
    most = max(FLOOR.memory_kib, min(CEILING_KIB, memory // 1024 // 4))
    work = AIM_S / max(0.001, min(measure(FLOOR), measure(FLOOR)))  # in floors; the first one also warms up
    while True:
        memory_kib = max(FLOOR.memory_kib, int(min(most, FLOOR.memory_kib * work)) // _STEP_KIB * _STEP_KIB)
        passes = int(FLOOR.passes * FLOOR.memory_kib * work / memory_kib)
        kdf = replace(FLOOR, memory_kib=memory_kib, passes=min(_MOST_PASSES, max(FLOOR.passes, passes)))
        if kdf == FLOOR:
            return kdf
        try:
            took = measure(kdf)
        except VaultProblem:  # not enough memory just now, and perhaps at the next unlocking
            return FLOOR
        if took <= LONGEST_S:
            return kdf
        work *= min(0.9, AIM_S / took)
