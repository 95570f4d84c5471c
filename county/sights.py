"""What the people of a vault may see between them: which places, which values, and a tag that changes with it.

A vault belongs to everybody who has a slot in it, and whoever unlocks it could read its file: so it holds what the
best sight of its people allows, and the program on it shows each of them less (`app.models.rules.rights`). Values that
nobody there may see are withheld by commitment. Whether an object lives, and where it belongs (links), is never
withheld: the fold needs it and it says nothing by itself. A field that this program does not know counts as the most
private one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from app.ledger.authority import KINDS as OFFICE
from app.ledger.encoding import encode
from app.models.fields import LIFE, Privacy, Root, Type
from app.models.queries import places, staff
from app.models.queries.places import Area
from app.models.records.registry import BY_NUMBER, KINDS
from app.models.rules.rights import Action, Grant, Place, Rights, Sight, allowed, sight
from app.models.store import Transaction

Where = tuple[bytes | None, ...]  # areas an object lies in; () when nobody knows

_WITHHELD: Final = tuple(
    kind for kind in KINDS if kind.root in (Root.HOUSEHOLD, Root.AREA) and kind.number not in OFFICE
)  # what a right is needed for; areas, staff, devices and the like are everybody's


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a role shows of the places of its grant: sight of classes C and D, kinds that may be viewed."""

    personal: int
    sensitive: int
    kinds: frozenset[int]

    @classmethod
    def of(cls, role: str) -> _Look:
        kinds = frozenset(kind.number for kind in _WITHHELD if allowed(role, kind.name, Action.VIEW, Place.OWN))
        return cls(personal=sight(role, Privacy.C).value, sensitive=sight(role, Privacy.D).value, kinds=kinds)

    def covers(self, other: _Look) -> bool:
        """Whether nothing of `other` is missing here."""
        enough = self.personal >= other.personal and self.sensitive >= other.sensitive
        return enough and self.kinds >= other.kinds


class Sights:
    """The rights of several people together on one day."""

    def __init__(self, tx: Transaction, people: Iterable[bytes], today: str) -> None:
        self.areas: Mapping[bytes, Area] = places.areas(tx)
        self.people: tuple[Rights, ...] = tuple(staff.rights_of(tx, sorted(people), today, self.areas).values())
        self._known: dict[tuple[int, int, Where], bool] = {}
        self._looks = _needed([grant for rights in self.people for grant in rights.grants])

    @property
    def mixed(self) -> bool:
        """Whether what is seen of a household depends on where it lies."""
        return len(self._looks) > 1

    @property
    def tag(self) -> bytes:
        """32 bytes that are the same as long as the same is seen in the same places, whoever joins or leaves. Where
        looks differ, the areas below are told too: one that is moved takes its households to another look."""
        reach = {grant.area: sorted(grant.reach) for rights in self.people for grant in rights.grants if self.mixed}
        told = [[a, look.personal, look.sensitive, sorted(look.kinds), *reach.get(a, ())] for a, look in self._looks]
        return sha256(b"hudang-sight/1\n" + encode(told)).digest()

    def may(self, action: Action, kind: str, where: Where) -> bool:
        """Whether anybody of them may."""
        return any(rights.may(action, kind, where) for rights in self.people)

    def households_of(self) -> frozenset[bytes]:
        """Areas whose households somebody may view."""
        grants = [grant for rights in self.people for grant in rights.grants]
        seeing = (grant.reach for grant in grants if allowed(grant.role, "household", Action.VIEW, Place.OWN))
        return frozenset[bytes]().union(*seeing)

    def everywhere(self, kind: str) -> bool:
        """Whether somebody may view records of a kind anywhere in the county."""
        grants = [grant for rights in self.people for grant in rights.grants]
        return any(allowed(grant.role, kind, Action.VIEW, Place.SIBLING) for grant in grants)

    def holds(self, kind: int, field: int, where: Where) -> bool:
        """Whether the vault gets values of this field of objects that lie in these areas."""
        key = kind, field, where
        if key not in self._known:
            self._known[key] = self._holds(kind, field, where)
        return self._known[key]

    def _holds(self, kind: int, field: int, where: Where) -> bool:
        declared = BY_NUMBER.get(kind)
        if field == LIFE or (declared is not None and declared not in _WITHHELD):
            return True
        known = None if declared is None else declared.numbered(field)
        if known is not None and known.type is Type.LINK:
            return True
        name = "household" if declared is None else declared.name
        privacy = Privacy.D if known is None else known.privacy
        return self.may(Action.VIEW, name, where) and self._sees(privacy, where)

    def _sees(self, privacy: Privacy, where: Where) -> bool:
        return any(rights.sight(privacy, where) is not Sight.NEVER for rights in self.people)


def _needed(grants: Iterable[Grant]) -> list[tuple[bytes, _Look]]:
    """(area, what is seen there) of the grants that show anything, without those that another one covers; in order."""
    looks = {(grant.area, _Look.of(grant.role)): grant.reach for grant in grants}
    looks = {key: reach for key, reach in looks.items() if key[1].kinds}
    needed = [
        (area, look)
        for area, look in looks
        if not any(other != (area, look) and area in reach and other[1].covers(look) for other, reach in looks.items())
    ]
    return sorted(needed, key=lambda item: (item[0], item[1].personal, item[1].sensitive, sorted(item[1].kinds)))
