"""The highest time that this computer has seen, kept outside the vault: a vault's folder that is put back from a copy
makes nobody younger.

Which contact with the county it was seen after stands beside it. So a time of before the vault's own last contact says
nothing any more (the county has put it right since), and a copy from before a contact is held to what came after it.

Like the records of tries (`app.vault.attempts`) it has a check sum and no secret: it can be removed, and then the
vault's own word alone counts. Nothing in it makes a lease longer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.errors import ChainBroken, VaultProblem
from app.ledger import encoding
from app.vault import attempts, disk

FOLDER: Final = "seen"  # in the program's own
_CHECKSUM_BYTES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What this computer knows of time: `home` is the program's folder, clock and start of the machine as for
    `attempts.Attempts`."""

    home: Path
    clock_ms: Callable[[], int] = attempts.running_ms
    boot: Callable[[], str] = attempts.boot_id

    def highest_ms(self, vault_id: bytes, contact_ms: int) -> int:
        """The highest time seen since the county was heard at `contact_ms` or later, 0 where nothing is known."""
        try:
            with self._place(vault_id).open("rb") as stream:
                data = stream.read(200)
            body: Any = encoding.decode(data[:-_CHECKSUM_BYTES])
        except (OSError, ChainBroken):
            return 0
        if _checksum(data[:-_CHECKSUM_BYTES]) != data[-_CHECKSUM_BYTES:]:
            return 0
        if not isinstance(body, list) or [type(part) for part in body] != [int, int, int] or body[0] != 1:
            return 0
        return int(body[2]) if body[1] >= contact_ms else 0

    def note(self, vault_id: bytes, contact_ms: int, highest_ms: int) -> None:
        """Keep both; where no record can be written the vault's own word has to do."""
        inside = encoding.encode([1, contact_ms, highest_ms])
        place = self._place(vault_id)
        with suppress(VaultProblem):
            with disk.disk_errors():
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            disk.write_whole(place, inside + _checksum(inside))

    def _place(self, vault_id: bytes) -> Path:
        return self.home / FOLDER / hashlib.sha256(b"seen" + vault_id).hexdigest()[:32]


def _checksum(inside: bytes) -> bytes:
    return hashlib.sha256(inside).digest()[:_CHECKSUM_BYTES]
