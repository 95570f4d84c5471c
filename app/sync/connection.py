"""What a vault knows about its county: where it answers, how it is recognised, as whom this device speaks.

Kept as one setting of the vault, so that a program that opens the vault can speak to the county again. While an
enrolment is under way its single-use secret stands here too, so that it can be finished after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.errors import VaultProblem
from app.ledger.act import Random
from app.models.store import Transaction
from app.sync.transport import Clock, County
from app.vault import kept
from app.vault.vault import Vault

SETTING: Final = "connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Base address and TLS pin of the county; device, staff and workplace ids (16 bytes) with the names for people.

    `secret` is that of an enrolment the county has not confirmed yet, empty afterwards.
    """

    base: str
    pin: bytes
    device: bytes
    device_name: str
    staff: bytes
    staff_name: str
    workplace: bytes
    workplace_name: str
    county_name: str
    demo: bool
    secret: bytes = field(default=b"", repr=False)

    @property
    def enrolled(self) -> bool:
        """Whether the county has confirmed this device."""
        return not self.secret

    def confirmed(self) -> Connection:
        """The same after the county confirmed."""
        return replace(self, secret=b"")

    def save(self, tx: Transaction) -> None:
        """Keep it in the vault, in place of what stood there."""
        table: dict[int, Any] = {
            1: self.base,
            2: self.pin,
            3: self.device,
            4: self.device_name,
            5: self.staff,
            6: self.staff_name,
            7: self.workplace,
            8: self.workplace_name,
            9: self.county_name,
            10: self.demo,
            11: self.secret,
        }
        kept.put_setting(tx, SETTING, table)

    @classmethod
    def find(cls, tx: Transaction) -> Connection | None:
        """The connection kept in the vault, None in one that was never enrolled."""
        t = kept.setting(tx, SETTING)
        if t is None:
            return None
        return cls(
            base=t[1],
            pin=t[2],
            device=t[3],
            device_name=t[4],
            staff=t[5],
            staff_name=t[6],
            workplace=t[7],
            workplace_name=t[8],
            county_name=t[9],
            demo=t[10],
            secret=t[11],
        )

    @classmethod
    def load(cls, tx: Transaction) -> Connection:
        """As `find`; VaultProblem("not-enrolled") when there is none."""
        found = cls.find(tx)
        if found is None:
            raise VaultProblem("not-enrolled")
        return found

    def county(self, vault: Vault, *, random: Random, clock: Clock) -> County:
        """The county as this device may speak to it."""
        return County(self.base, self.pin, random=random, clock=clock, device=self.device, seed=vault.device_seed)
