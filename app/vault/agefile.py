"""Files that one key opens, in the format of age (age-encryption.org/v1), so that other programs open them too.

The keys are X25519, 32 bytes, as they stand in county.pub; age writes them as text in Bech32 (BIP 173).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyrage  # type: ignore[import-untyped]

from app.errors import InputProblem

_LETTERS: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_STEPS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def seal(document: bytes, public: bytes) -> bytes:
    """An age file of `document` that only the private key of `public` opens."""
    return bytes(pyrage.encrypt(document, [pyrage.x25519.Recipient.from_str(recipient(public))]))


def unseal(sealed: bytes, private: bytes) -> bytes:
    """What was sealed for `private`; InputProblem("sealed-unusable") for another key or a damaged file."""
    try:
        return bytes(pyrage.decrypt(sealed, [pyrage.x25519.Identity.from_str(identity(private))]))
    except pyrage.DecryptError:
        raise InputProblem("sealed-unusable") from None


def recipient(public: bytes) -> str:
    """A public key as age writes it: `age1...`."""
    return _bech32("age", public)


def identity(private: bytes) -> str:
    """A private key as age writes it: `AGE-SECRET-KEY-1...`."""
    return _bech32("age-secret-key-", private).upper()


def _bech32(prefix: str, data: bytes) -> str:
    """`data` as age writes keys (BIP 173: groups of five bits, six letters of check sum)."""
    bits = int.from_bytes(data, "big") << (-8 * len(data) % 5)
    groups = (8 * len(data) + 4) // 5
    words = [bits >> 5 * (groups - 1 - place) & 31 for place in range(groups)]
    spread = [*(ord(c) >> 5 for c in prefix), 0, *(ord(c) & 31 for c in prefix)]
    check_sum = _polymod([*spread, *words, 0, 0, 0, 0, 0, 0]) ^ 1
    tail = [check_sum >> 5 * (5 - place) & 31 for place in range(6)]
    return prefix + "1" + "".join(_LETTERS[word] for word in [*words, *tail])


def _polymod(words: Sequence[int]) -> int:
    check_sum = 1
    for word in words:
        top = check_sum >> 25
        check_sum = (check_sum & 0x1FFFFFF) << 5 ^ word
        for place, step in enumerate(_STEPS):
            check_sum ^= step if top >> place & 1 else 0
    return check_sum
