"""Who may do what where: one table of role × record kind × action × place. Pure.

The matrix of reference 6.4, made checkable: pages, verbs, prints, exports, delivery and the county's calls all ask
`allowed`, nobody asks for a role. A cell that is not in the table is a bug (KeyError), never a silent no; what is
allowed nowhere has an empty cell.

A grant gives a role at an area; it reaches that area and all below it ("own"). Rights are looked at before an act and
when data are handed out, never in the fold: what somebody signed without the right is stored all the same and becomes
a task for a person (design 2.7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from app.models.fields import Privacy, RecordKind


class Action(Enum):
    """What somebody wants to do with records of a kind; the letter stands for it in the table."""

    VIEW = "V"
    REVEAL = "R"  # show what is masked, with a reason, for a short time, as an entry
    WRITE = "E"
    VOID = "Z"  # end a file for good, with a reason and a second person
    PRINT = "P"  # one at a time
    BATCH_PRINT = "B"
    EXPORT = "X"  # masked
    FULL_EXPORT = "F"  # with a second person
    DECIDE = "A"  # agree as the second person


class Place(Enum):
    """Where an object is, seen from the area of a grant."""

    OWN = "own"  # that area or below it
    PARENT = "parent"  # above it
    SIBLING = "sibling"  # elsewhere in the same county
    OTHER = "other"  # another county


_OWN = frozenset({Place.OWN})
_ABOVE = frozenset({Place.OWN, Place.PARENT})
_COUNTY = frozenset({Place.OWN, Place.PARENT, Place.SIBLING})
_REACH: Final = {"": _OWN, "^": _ABOVE, "*": _COUNTY}

# One line a role, one column a record kind. Letters are those of `Action`; "^" after a letter: also in the areas above
# the grant's, "*": anywhere in the county; "-": nothing.
_DOSSIERS: Final = """
               household member visit attachment card printout viewing proposal decision export
GRID           VREP      VRE    VRE   VRE        VE   VE       VE      V        V        V
HELPER         VRP       VR     VRE   VRE        V    VE       VE      -        -        -
VILLAGE        VREPBX    VREX   VRE   VRE        VE   VE       VE      V        VEA      VE
FIRST_SEC      VREPBX    VREX   VRE   VRE        VE   VE       VE      V        VEA      VE
STATION        VREZPBXF  VREXF  VR    VR         VE   VE       VE      VE       VEA      VE
TOWN_LEADER    VRP       VR     VR    VR         V    VE       VE      V        VEA      V
DEPT           V         V      V     -          -    -        -       -        -        -
COUNTY         VREZPBXF  VREXF  VR    VR         VE   VE       VE      VE       VEA      VE
COUNTY_LEADER  VR        VR     VR    VR         V    V        VE      V        VEA      V
SUPERVISOR     VRX       VR     VR    VR         V    V        VE      -        -        VE
DISCIPLINE     VR        VR     VR    VR         -    -        VE      -        -        V
AUDITOR        -         -      -     -          -    -        -       -        -        -
SYSADMIN       -         -      -     -          -    -        -       -        -        -
SECURITY       -         -      -     -          -    -        -       -        -        -
ADMIN          -         -      -     -          -    -        -       -        -        -
SERVICE        -         -      -     -          -    -        -       -        -        -
"""
_OFFICE: Final = """
               county area staff grant device signer seat pool policy admission
GRID           V*     V^   V*    V*    V*     V*     V*E  V^   V*     V*
HELPER         V*     V^   V*    V*    V*     V*     V*E  V^   V*     V*
VILLAGE        V*     V^   V*    V*    V*     V*     V*E  V^   V*     V*
FIRST_SEC      V*     V^   V*    V*    V*     V*     V*E  V^   V*     V*
STATION        V*     V^   V*    V*    V*     V*     V*E  V^   V*     V*
TOWN_LEADER    V*     V^   V*    V*    V*     V*     V*E  V^   V*     V*
DEPT           V*     V*   V*    V*    V*     V*     V*E  -    V*     V*
COUNTY         V*     V*   V*    V*    V*     V*     V*E  V*   V*     V*
COUNTY_LEADER  V*     V*   V*    V*    V*     V*     V*E  V*   V*     V*
SUPERVISOR     V*     V^   V*    V*    V*     V*     V*E  V^   V*     V*
DISCIPLINE     V*     V^   V*    V*    V*     V*     V*E  -    V*     V*
AUDITOR        V*     V*   V*    V*    V*     V*     V*   V*   V*     V*
SYSADMIN       V*     V*E* V*E*  V*    V*E*   V*E*   V*   V*E* V*     V*
SECURITY       V*     V*   V*    V*E*  V*     V*     V*   V*   V*E*   V*E*
ADMIN          V*E*   V*E* V*E*  V*E*  V*E*   V*E*   V*   V*E* V*E*   V*E*
SERVICE        V*     V*   V*    V*    V*E*   V*E*   V*   V*E* V*     V*
"""

Cell = Mapping[Action, frozenset[Place]]


def _parse(cell: str) -> Cell:
    found: dict[Action, frozenset[Place]] = {}
    at = 0
    while cell != "-" and at < len(cell):
        reach = cell[at + 1] if at + 1 < len(cell) and cell[at + 1] in "^*" else ""
        found[Action(cell[at])] = _REACH[reach]
        at += 1 + len(reach)
    return found


def _read(matrix: str) -> dict[tuple[str, str], Cell]:
    head, *lines = matrix.split("\n")[1:-1]
    found: dict[tuple[str, str], Cell] = {}
    for line in lines:
        role, *cells = line.split()
        found.update({(role, kind): _parse(cell) for kind, cell in zip(head.split(), cells, strict=True)})
    return found


TABLE: Final[Mapping[tuple[str, str], Cell]] = {**_read(_DOSSIERS), **_read(_OFFICE)}
ROLES: Final = frozenset(role for role, _ in TABLE)
KINDS: Final = frozenset(kind for _, kind in TABLE)


def allowed(role: str, kind: str, action: Action, place: Place) -> bool:
    """Whether `role` may do `action` on records of `kind` that are at `place`. KeyError for a cell that nobody has
    thought about; a role from a newer program may do nothing."""
    if role not in ROLES:
        return False
    return place in TABLE[role, kind].get(action, frozenset())


# --- what of a value is seen ---


class Sight(Enum):
    """How a value of a privacy class meets an eye."""

    OPEN = 2  # as it is
    REASON = 1  # hidden, shown for a short time with a reason, as an entry
    NEVER = 0  # hidden; a vault all of whose people never see it does not even hold it


# Classes C and D (reference 6.4, the lines "Class C in full" and "Class D"). A and B are open to whoever may view.
_SIGHT: Final[Mapping[str, tuple[Sight, Sight]]] = {
    "GRID": (Sight.OPEN, Sight.REASON),
    "HELPER": (Sight.REASON, Sight.NEVER),
    "VILLAGE": (Sight.OPEN, Sight.REASON),
    "FIRST_SEC": (Sight.OPEN, Sight.REASON),
    "STATION": (Sight.OPEN, Sight.REASON),
    "TOWN_LEADER": (Sight.REASON, Sight.NEVER),
    "DEPT": (Sight.NEVER, Sight.NEVER),
    "COUNTY": (Sight.OPEN, Sight.REASON),
    "COUNTY_LEADER": (Sight.REASON, Sight.NEVER),
    "SUPERVISOR": (Sight.REASON, Sight.REASON),
    "DISCIPLINE": (Sight.REASON, Sight.NEVER),
}


def sight(role: str, privacy: Privacy) -> Sight:
    """How `role` sees values of a privacy class in its own places."""
    if privacy in (Privacy.A, Privacy.B):
        return Sight.OPEN
    personal, sensitive = _SIGHT.get(role, (Sight.NEVER, Sight.NEVER))
    return personal if privacy is Privacy.C else sensitive


# --- a person's rights ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A role somebody has: `reach` are the ids of its area and all below, `above` those over it."""

    role: str
    area: bytes
    reach: frozenset[bytes]
    above: frozenset[bytes]

    def place_of(self, areas: Iterable[bytes | None]) -> Place:
        """Where an object is that lies in these areas (a household lies in its grid and in its village)."""
        found = {area for area in areas if area is not None}
        if found & self.reach:
            return Place.OWN
        if found & self.above:
            return Place.PARENT
        return Place.SIBLING


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """All grants of one person that are in force today."""

    grants: tuple[Grant, ...] = ()

    def may(self, action: Action, kind: RecordKind | str, areas: Iterable[bytes | None]) -> bool:
        """Whether the person may do `action` on records of `kind` in these areas."""
        name, where = kind if isinstance(kind, str) else kind.name, tuple(areas)
        return any(allowed(grant.role, name, action, grant.place_of(where)) for grant in self.grants)

    def may_anywhere(self, action: Action, kind: RecordKind | str) -> bool:
        """Whether there is any own place where the person may: whether a page offers it at all."""
        name = kind if isinstance(kind, str) else kind.name
        return any(allowed(grant.role, name, action, Place.OWN) for grant in self.grants)

    def reach(self, action: Action, kind: RecordKind | str) -> frozenset[bytes]:
        """The areas in whose records of `kind` the person may do `action`, for kinds whose cells reach no further than
        own places, as those of dossiers do."""
        name = kind if isinstance(kind, str) else kind.name
        own = (grant.reach for grant in self.grants if allowed(grant.role, name, action, Place.OWN))
        return frozenset().union(*own)

    def seeing(self, privacy: Privacy) -> frozenset[bytes]:
        """The areas in whose records the person sees values of a privacy class, if only with a reason."""
        own = (grant.reach for grant in self.grants if sight(grant.role, privacy) is not Sight.NEVER)
        return frozenset().union(*own)

    def sight(self, privacy: Privacy, areas: Iterable[bytes | None]) -> Sight:
        """The best sight that a grant at these areas gives of values of a privacy class."""
        where = tuple(areas)
        here = [grant for grant in self.grants if grant.place_of(where) is Place.OWN]
        return max((sight(grant.role, privacy) for grant in here), key=lambda found: found.value, default=Sight.NEVER)
