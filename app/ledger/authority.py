"""Which chains have authority: whose staff, grants, devices, keys and pools take effect.

The county's root chain (the one that `county.pub` begins) has it from the start and hands it on in the log itself: a
`signer` record ties a chain to a person, a `grant` record gives the person a role. Acts on kinds that need authority
are effective only from a chain that had it at its place in the county's order; others are stored and stay inert.
The numbers of the two kinds and of the fields read here are fixed by this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.ledger.entry import Change

COUNTY: Final = 1
AREA: Final = 2
STAFF: Final = 3
GRANT: Final = 4
DEVICE: Final = 5
SIGNER: Final = 6
POOL: Final = 7
POLICY: Final = 14
ADMISSION: Final = 15
KINDS: Final = frozenset({COUNTY, AREA, STAFF, GRANT, DEVICE, SIGNER, POOL, POLICY, ADMISSION})

GRANT_STAFF: Final = 1
GRANT_ROLE: Final = 2
SIGNER_STAFF: Final = 1
SIGNER_CHAIN: Final = 2

ADMIN: Final = "ADMIN"
SERVICE: Final = "SERVICE"
SYSADMIN: Final = "SYSADMIN"
SECURITY: Final = "SECURITY"
AUDITOR: Final = "AUDITOR"

# What a role may write with effect. A small county has one ADMIN who does both; where the three administrators of
# GB/T 22239-2019 (level 3) are three people, one makes accounts and devices, one rules and rights, one only reads.
MAY_WRITE: Final[Mapping[str, frozenset[int]]] = {
    ADMIN: KINDS,
    SYSADMIN: frozenset({AREA, STAFF, DEVICE, SIGNER, POOL}),
    SECURITY: frozenset({GRANT, POLICY, ADMISSION}),
    SERVICE: frozenset({DEVICE, SIGNER, POOL}),  # by itself
}
APART: Final = frozenset({SYSADMIN, SECURITY, AUDITOR})  # no two of these on one person


class Authority:
    """The grants and signers in force at one place of the county's order; `apply` moves it on."""

    def __init__(self, root_chain: bytes | None) -> None:
        self.root_chain = root_chain
        self._signers: dict[bytes, dict[int, Any]] = {}
        self._grants: dict[bytes, dict[int, Any]] = {}

    def restore(self, kind: int, object_id: bytes, values: dict[int, Any]) -> None:
        """Take up a signer or grant that is known to be in force."""
        (self._signers if kind == SIGNER else self._grants)[object_id] = dict(values)

    def roles(self, chain: bytes) -> frozenset[str]:
        """Roles of the person to whom `chain` belongs."""
        people = [s.get(SIGNER_STAFF) for s in self._signers.values() if s.get(SIGNER_CHAIN) == chain]
        held = [g.get(GRANT_ROLE) for g in self._grants.values() if g.get(GRANT_STAFF) in people]
        return frozenset(role for role in held if isinstance(role, str))

    def may_write(self, chain: bytes, kind: int) -> bool:
        """Whether an act of `chain` on record kind `kind` takes effect here."""
        if kind not in KINDS or chain == self.root_chain:
            return True
        return any(kind in MAY_WRITE.get(role, ()) for role in self.roles(chain))

    def may_publish_heads(self, chain: bytes) -> bool:
        """Whether `chain` may write heads entries: the root's own or the server's."""
        return chain == self.root_chain or SERVICE in self.roles(chain)

    def apply(self, change: Change, values: Sequence[Any]) -> None:
        """Follow one effective change (`values` in the order of its fields)."""
        if change.kind not in (SIGNER, GRANT):
            return
        table = self._signers if change.kind == SIGNER else self._grants
        facts = table.setdefault(change.object, {})
        facts.update(zip(change.fields, values, strict=True))
        if facts.get(0, True) is not True:
            del table[change.object]
