"""Signatures: one verification rule for entries, checkpoints and cards, and the table of algorithm numbers.

Rules: only Ed25519 (RFC 8032) by libsodium is provided. Libraries disagree about signatures at the edges of
the standard (small-order keys, non-canonical encodings, S not reduced), so every program of this project
verifies with this module and no other. `check_public_key` looks at a key once more before it is enrolled.
Every key record carries an algorithm number, so that others can be provided later; the numbers are permanent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nacl.bindings import (
    crypto_core_ed25519_is_valid_point,
    crypto_sign,
    crypto_sign_open,
    crypto_sign_seed_keypair,
)
from nacl.exceptions import BadSignatureError

from app.errors import ChainBroken

ED25519 = 1
# Reserved, never to be given to anything else: 2 P-256, 3 SM2 with SM3, 4 ML-DSA-44.

PRIVATE_KEY_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """What can be done under one algorithm number. All keys, messages and signatures are bytes."""

    public_key: Callable[[bytes], bytes]
    sign: Callable[[bytes, bytes], bytes]
    verifies: Callable[[bytes, bytes, bytes], bool]
    key_is_sound: Callable[[bytes], bool]


def _ed25519_public_key(private_key: bytes) -> bytes:
    return crypto_sign_seed_keypair(private_key)[0]


def _ed25519_sign(private_key: bytes, message: bytes) -> bytes:
    _, secret = crypto_sign_seed_keypair(private_key)
    return crypto_sign(message, secret)[:SIGNATURE_BYTES]


def _ed25519_verifies(public_key: bytes, message: bytes, signature: bytes) -> bool:
    # libsodium reads fixed lengths from bare pointers: a short key would be read past its end, and a short
    # signature would borrow bytes of the message.
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


def _ed25519_key_is_sound(public_key: bytes) -> bool:
    return len(public_key) == PUBLIC_KEY_BYTES and crypto_core_ed25519_is_valid_point(public_key)


ALGORITHMS: dict[int, Algorithm] = {
    ED25519: Algorithm(
        public_key=_ed25519_public_key,
        sign=_ed25519_sign,
        verifies=_ed25519_verifies,
        key_is_sound=_ed25519_key_is_sound,
    )
}


def _algorithm(number: int) -> Algorithm:
    found = ALGORITHMS.get(number)
    if found is None:
        raise ChainBroken("algorithm-unknown", algorithm=number)
    return found


def public_key(seed: bytes) -> bytes:
    """The 32-byte Ed25519 public key of the 32-byte private key (the seed of RFC 8032, 5.1.5)."""
    return ALGORITHMS[ED25519].public_key(seed)


def sign(algorithm: int, seed: bytes, message: bytes) -> bytes:
    """The signature (Ed25519: 64 bytes) of `message` under a private key; equal input gives equal output.

    Raises ChainBroken `algorithm-unknown` if the number has no implementation here.
    """
    return _algorithm(algorithm).sign(seed, message)


def verify_signature(algorithm: int, public_key: bytes, message: bytes, signature: bytes) -> None:
    """Raises ChainBroken `bad-signature` unless `signature` is that of `message` under `public_key`,
    `algorithm-unknown` if the number has no implementation here."""
    if not _algorithm(algorithm).verifies(public_key, message, signature):
        raise ChainBroken("bad-signature")


def check_public_key(algorithm: int, public_key: bytes) -> None:
    """Raises ChainBroken `bad-public-key` unless the key is a canonical point of the main subgroup.

    For enrolment and rotation: under a key of small order one signature would fit many messages.
    """
    if not _algorithm(algorithm).key_is_sound(public_key):
        raise ChainBroken("bad-public-key")
