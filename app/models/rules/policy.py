"""The county's rules for passwords, sessions, leases and masks: a signed record, read into one frozen value. Pure.

Before the first download, and for what the record does not say, the defaults hold. A value out of bounds is brought
back into them: a record can be wrong, a laptop must still lock itself (bounds: reference security.md 2.4, 2.5, 2.8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.models.fields import Value

STANDARD: Final = "STANDARD"  # length and a list of refused passwords, no rotation (NIST SP 800-63B-4, ASVS 5)
MLPS: Final = "MLPS"  # three of four classes of characters, rotation, memory (GB/T 22239-2019, 8.1.4.1)
REMEMBERED: Final = 5  # former passwords under MLPS

_BOUNDS: Final = {
    "password_length": (8, 64),
    "password_days": (30, 3650),
    "idle_minutes": (1, 15),
    "session_hours": (1, 24),
    "lease_days": (7, 365),
    "reveal_seconds": (10, 600),
}
_MASKS: Final = {"HEAD4_TAIL4": (4, 4), "HEAD6_TAIL4": (6, 4), "HEAD3_TAIL4": (3, 4)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the county has laid down. `password_days` counts under MLPS only; `identity_mask`: how many characters of
    an identity number stay at its head and tail."""

    password_profile: str = STANDARD
    password_length: int = 12
    password_days: int = 90
    idle_minutes: int = 5
    session_hours: int = 8
    lease_days: int = 30
    reveal_seconds: int = 60
    identity_mask: tuple[int, int] = (4, 4)
    watermark: bool = True
    refused_words: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Policy:
        """The policy of a record's values by field name; what it does not say or says wrongly is as by default."""
        found = cls(password_length=10) if values.get("password_profile") == MLPS else cls()
        taken: dict[str, object] = {}
        if values.get("password_profile") in (STANDARD, MLPS):
            taken["password_profile"] = values["password_profile"]
        for name, (least, most) in _BOUNDS.items():
            value = values.get(name)
            if isinstance(value, int):
                taken[name] = min(max(value, least), most)
        mask = values.get("identity_mask")
        if isinstance(mask, str) and mask in _MASKS:
            taken["identity_mask"] = _MASKS[mask]
        if values.get("watermark") in (0, 1):
            taken["watermark"] = values["watermark"] == 1
        words = values.get("refused_words")
        if isinstance(words, str):
            taken["refused_words"] = tuple(words.split())
        filled = {name: getattr(found, name) for name in cls.__slots__} | taken
        return cls(**filled)
