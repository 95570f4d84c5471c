"""The multi-value register: how concurrent changes of one field come together (reference `sync.md` 2.7).

An edit names the values it replaced; what nobody replaced stays. One live value is settled, equal values agree,
different ones are a dispute that a person settles. Clocks never decide, and the result does not depend on the order of
arrival. Each entry is applied exactly once; the keeper of the entries sees to that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.ledger.encoding import encode, number

NO_POSITION = 2**63 - 1


class Register:
    """`live`: dot -> (county position or None, value). `superseded`: replaced dots that have not arrived yet."""

    __slots__ = ("live", "superseded")

    def __init__(self) -> None:
        self.live: dict[bytes, tuple[int | None, Any]] = {}
        self.superseded: set[bytes] = set()

    def apply(self, dot: bytes, position: int | None, value: Any, bases: Sequence[bytes] = ()) -> None:
        """Take up that the entry with `dot` said `value` and replaced `bases`."""
        for base in bases:
            if self.live.pop(base, None) is None:
                self.superseded.add(base)
        if dot in self.superseded:
            self.superseded.discard(dot)
        else:
            self.live[dot] = (position, value)

    def shown(self) -> Any:
        """The value to show: lowest county position first, then lowest dot; None when nothing is live."""
        if not self.live:
            return None
        if len(self.live) == 1:
            return next(iter(self.live.values()))[1]
        return min(self.live.items(), key=lambda item: (_place(item[1][0]), item[0]))[1][1]

    def disputed(self) -> bool:
        """Whether live values differ."""
        values = iter(self.live.values())
        first = next(values, None)
        return first is not None and any(value != first[1] for _, value in values)


def _place(position: int | None) -> int:
    return NO_POSITION if position is None else position


def fold_hash(registers: Mapping[tuple[bytes, int], Iterable[bytes]]) -> bytes:
    """Fold hash of `formats.md` over (object, field) -> live dots; registers without a live dot do not count."""
    return fold_hash_in_order(sorted(registers.items()))


def fold_hash_in_order(registers: Iterable[tuple[tuple[bytes, int], Iterable[bytes]]]) -> bytes:
    """`fold_hash` of registers that come one after the other, ascending. Objects and dots have 16 bytes each."""
    digest = hashlib.sha256(b"\x06")
    for (object_id, field), dots in registers:
        alive = sorted(dots)
        if len(alive) == 1:
            digest.update(b"\x83\x50%b%b\x81\x50%b" % (object_id, number(field), alive[0]))  # most; D1 as below
        elif alive:
            digest.update(encode([object_id, field, alive]))
    return digest.digest()
