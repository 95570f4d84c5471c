"""What pages about one household show, each read in one view of the vault and handed over as frozen records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from app.casework import cards, revealing
from app.casework.cards import BoundCard
from app.casework.desk import Desk
from app.casework.revealing import Seen
from app.casework.visits import PhotoDraft
from app.errors import ChainBroken
from app.ledger.entry import signed_bytes
from app.ledger.signatures import verify_signature
from app.models.queries import history, households, oversight, places, staff, visits
from app.models.queries.history import ActDetail, Origin
from app.models.queries.households import AttachmentRow, CardRow, HouseholdRow, Sheet
from app.models.queries.oversight import Proposed
from app.models.queries.places import Area
from app.models.queries.visits import VisitRow
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface
from app.models.rules.rights import Action
from app.models.store import Transaction
from app.vault import kept

HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
ACTS_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A household at a glance: its line, its members, its last visit, whom names stand for, how it is seen here."""

    row: HouseholdRow
    members: tuple[Sheet, ...]
    last_visit: VisitRow | None
    people: Mapping[bytes, str]
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The whole file. `names` are the names of whatever links and authors point at, as they may be seen; `origins` say
    who said a value (by dot); `acts` are the newest `ACTS_SHOWN` of `acts_of_all`; `proposed` is
    the ending of the file that waits for a second person."""

    row: HouseholdRow
    sheet: Sheet
    members: tuple[Sheet, ...]
    visits: tuple[VisitRow, ...]
    photos: tuple[AttachmentRow, ...]
    card: BoundCard | None
    cards: tuple[CardRow, ...]
    cards_left: int
    acts: tuple[ActDetail, ...]
    acts_of_all: int
    origins: Mapping[bytes, Origin]
    names: Mapping[bytes, str]
    areas: Mapping[bytes, Area]
    seen: Seen
    proposed: Proposed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedAct:
    """One act with old and new values. `holds`: its signature was checked here and is right (None: the key has
    changed since and only the whole check can tell)."""

    detail: ActDetail
    holds: bool | None
    names: Mapping[bytes, str]
    seen: Seen


def glance(desk: Desk, household: bytes) -> Glance | None:
    """The household at a glance, None when it is not here."""
    with desk.vault.reading() as tx:
        row = households.one(tx, household)
        if row is None:
            return None
        desk.require(tx, Action.VIEW, HOUSEHOLD, household)
        last = visits.of_household(tx, household, limit=1)
        return Glance(
            row=row,
            members=tuple(households.members(tx, household)),
            last_visit=last[0] if last else None,
            people={staff.id: staff.name for staff in places.staff(tx).values()},
            seen=revealing.seen(desk, tx, [household]),
        )


def read(desk: Desk, household: bytes) -> Dossier | None:
    """The file of a household, None when it is not here."""
    card = cards.current(desk, household)
    with desk.vault.reading() as tx:
        row, sheet = households.one(tx, household), households.sheet(tx, HOUSEHOLD, household)
        if row is None or sheet is None:
            return None
        desk.require(tx, Action.VIEW, HOUSEHOLD, household)
        members = tuple(households.members(tx, household))
        seen = revealing.seen(desk, tx, [household])
        acts = [history.detail(tx, act.id) for act in history.acts(tx, root=household, limit=ACTS_SHOWN)]
        return Dossier(
            row=row,
            sheet=sheet,
            members=members,
            visits=tuple(visits.of_household(tx, household)),
            photos=tuple(households.attachments(tx, household)),
            card=card,
            cards=tuple(households.cards(tx, household=household)),
            cards_left=kept.cards_left(tx),
            acts=tuple(act for act in acts if act is not None),
            acts_of_all=history.count(tx, root=household),
            origins=history.origins(tx, _dots((sheet, *members))),
            names=names(tx, seen, [household]),
            areas=places.areas(tx),
            seen=seen,
            proposed=next(
                (each for each in oversight.proposals(tx, pending=True) if each.household == household), None
            ),
        )


def open_act(desk: Desk, entry: bytes) -> OpenedAct | None:
    """One act and whether its signature holds, None when it is not here. "not-allowed" where it speaks of a household
    that this person may not look at."""
    with desk.vault.reading() as tx:
        detail = history.detail(tx, entry)
        if detail is None:
            return None
        known = places.areas(tx)
        for root in detail.row.roots:
            if areas := staff.areas_of(tx, root):
                desk.require_at(Action.VIEW, HOUSEHOLD, areas)
            elif detail.row.act in history.OF_FILES and root in known:
                desk.require_at(Action.VIEW, HOUSEHOLD, (root,))
        seen = revealing.seen(desk, tx, detail.row.roots)
        return OpenedAct(detail=detail, holds=_holds(tx, detail), names=names(tx, seen, detail.row.roots), seen=seen)


def photos_of(desk: Desk, photos: Iterable[PhotoDraft]) -> dict[bytes, bytes]:
    """JPEG bytes of photos that belong to a draft, by their id."""
    return {photo.id: desk.vault.load_attachment(photo.name, key=photo.key, digest=photo.digest) for photo in photos}


def _holds(tx: Transaction, detail: ActDetail) -> bool | None:
    chain = kept.chain(tx, detail.row.chain)
    if chain is None or history.key_changed_after(tx, detail.row.chain, detail.row.seq):
        return None
    try:
        state = chain.state
        verify_signature(state.algorithm, state.public_key, signed_bytes(detail.row.id), detail.signature)
    except ChainBroken:
        return False
    return True


def _dots(sheets: Iterable[Sheet]) -> list[bytes]:
    return sorted({dot for sheet in sheets for dots in sheet.dots.values() for dot in dots})


def names(tx: Transaction, seen: Seen, roots: Iterable[bytes]) -> dict[bytes, str]:
    """The names of members of these households, areas and staff, as they may be seen."""
    found = {
        person: seen.words(MEMBER, person, "name", values["name"], Surface.LOG)
        for root in roots
        for person, values in households.persons(tx, root).items()
    }
    found.update((area.id, area.name) for area in places.areas(tx).values())
    found.update((staff.id, staff.name) for staff in places.staff(tx).values())
    return found
