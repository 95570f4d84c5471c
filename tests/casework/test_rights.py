"""Every verb of casework × every role × own, parent, sibling, other county, in a real vault: allowed exactly as the
table of rights says, refused otherwise with nothing written. A verb that has no line here fails."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

import app.casework
from app.casework import cards, countersigning, desk, dossiers, exporting, files, printouts, revealing, visits
from app.casework.countersigning import NewProposal
from app.casework.desk import Desk, created
from app.errors import InputProblem
from app.ledger.entry import Act
from app.models.fields import Value
from app.models.queries import households
from app.models.queries import staff as people
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface
from app.models.rules.rights import ROLES, Action, Place, allowed
from app.models.tables import DERIVED, LOG
from app.sync import journal
from app.vault import kept
from tests import demo

HOUSEHOLD, MEMBER = BY_NAME["household"], BY_NAME["member"]
UNKNOWN = b"\x77" * 16  # an area that no list of this county has
SIBLING = b"\x35" * 16
# Where a household lies, and the workplace, seen from a grant at the grid.
AREAS = {
    Place.OWN: (demo.GRID, demo.VILLAGE),
    Place.PARENT: (None, demo.VILLAGE),
    Place.SIBLING: (SIBLING, SIBLING),
    Place.OTHER: (UNKNOWN, UNKNOWN),
}
NOBODY = Filter(typed="没有这样的一户")
WORKPLACE = {Place.OWN: demo.GRID, Place.PARENT: demo.VILLAGE, Place.SIBLING: SIBLING, Place.OTHER: UNKNOWN}

Asked = tuple[tuple[str, Action], ...]  # (record kind, action): all of them are needed


@dataclass(slots=True)
class Site:
    """The vault, and what a verb is tried on: a household and its members at one place."""

    desk: Desk
    superior: Desk
    place: Place
    household: bytes
    picture: Path

    def sheet(self) -> households.Sheet:
        with self.desk.vault.reading() as tx:
            found = households.sheet(tx, HOUSEHOLD, self.household)
        assert found is not None
        return found

    def member(self) -> households.Sheet:
        """Somebody new who is no head."""
        add(self.superior, self.household, (identity := self.desk.new_id()))
        with self.desk.vault.reading() as tx:
            found = households.sheet(tx, MEMBER, identity)
        assert found is not None
        return found

    def draft(self) -> visits.VisitDraft:
        said = {"summary": "一家人都在家收稻谷，今年收成好，牛又添了一头，没有新的困难。", "respondent": "户主"}
        begun = visits.begin(self.desk, self.household)
        return replace(begun, values={**begun.values, **said})

    def new_file(self) -> files.NewFile:
        grid, village = AREAS[self.place]
        values: dict[str, Value] = {"village": village, "villager_group": "二组", "household_type": "ORDINARY"}
        return files.NewFile(
            household=self.desk.new_id(),
            head=self.desk.new_id(),
            household_values=values | ({"grid": grid} if grid else {}),
            head_values={"name": "韦新", "gender": "1"},
        )

    def words(self) -> str:
        """Something that nobody has written yet."""
        return self.desk.new_id().hex()


def add(mine: Desk, household: bytes, identity: bytes) -> None:
    files.add_member(mine, household, identity, {"name": "韦小", "gender": "1", "relation": "20"})


def settle(mine: Desk, place: Place) -> bytes:
    """A household at a place, written past the rights."""
    grid, village = AREAS[place]
    household, head = mine.new_id(), mine.new_id()
    values: dict[str, Value] = {"village": village, "grid": grid, "villager_group": "一组", "head": head}
    said = [
        created(HOUSEHOLD, household, {**values, "household_type": "ORDINARY"}),
        created(MEMBER, head, {"household": household, "name": "韦试", "gender": "1", "relation": "02"}),
    ]
    with mine.vault.transaction() as tx:
        journal.append(tx, mine.author, Act.IMPORT, [household], said, mine.clock(), mine.random)
    for _ in desk.refresh(mine):
        pass
    return household


# --- verbs: what they ask for, and how to try them. What has to stand first is made by the superior; what comes back
# is the verb itself, still to be called. ---

Prepared = Callable[[Site], Callable[[], object]]
WRITES, VIEW, PRINT = Action.WRITE, Action.VIEW, Action.PRINT


def _print(site: Site, *more: bytes) -> Callable[[], object]:
    cards.bind(site.superior, site.household)
    return lambda: list(printouts.prepare(site.desk, site.desk.new_id(), [site.household, *more]))


def _note(site: Site) -> Callable[[], object]:
    return partial(printouts.note, site.desk, site.desk.new_id(), site.household, version="WORK", outcome="PDF")


def _propose(site: Site) -> Callable[[], object]:
    household = settle(site.superior, site.place)
    new = NewProposal(id=site.desk.new_id(), matter="VOID_FILE", reason="全户迁往外省", household=household)
    return partial(countersigning.propose, site.desk, new)


ON_FILES: dict[str, tuple[Asked, Prepared]] = {
    "files.open_file": (
        (("household", WRITES), ("member", WRITES)),
        lambda site: partial(files.open_file, site.desk, site.new_file()),
    ),
    "files.edit": (
        (("household", WRITES),),
        lambda site: partial(files.edit, site.desk, site.household, site.sheet(), {"remarks": site.words()}),
    ),
    "files.edit of a member": (
        (("member", WRITES),),
        lambda site: partial(files.edit, site.desk, site.household, site.member(), {"education": "20"}),
    ),
    "files.add_member": (
        (("member", WRITES),),
        lambda site: partial(add, site.desk, site.household, site.desk.new_id()),
    ),
    "files.end_member": (
        (("member", WRITES),),
        lambda site: partial(files.end_member, site.desk, site.household, site.member(), "MOVED_OUT"),
    ),
    "files.resolve": (
        (("household", WRITES),),
        lambda site: partial(files.resolve, site.desk, site.household, site.sheet(), "household_type", "ORDINARY"),
    ),
    "visits.record": ((("visit", WRITES),), lambda site: partial(visits.record, site.desk, site.draft())),
    "visits.keep_draft": ((("visit", WRITES),), lambda site: partial(visits.keep_draft, site.desk, site.draft())),
    "cards.bind": (
        (("card", WRITES),),
        lambda site: partial(cards.bind, site.desk, site.household, reason="LOST"),
    ),
    "printouts.prepare": ((("household", PRINT), ("printout", WRITES)), _print),
    "printouts.prepare of several": (
        (("household", Action.BATCH_PRINT), ("printout", WRITES), ("card", WRITES)),
        lambda site: _print(site, settle(site.superior, site.place)),
    ),
    "printouts.note": ((("printout", WRITES),), _note),
    "revealing.reveal": (
        (("household", Action.REVEAL), ("viewing", WRITES)),
        lambda site: partial(
            revealing.reveal, site.desk, site.household, HOUSEHOLD, site.household, ("contact_phone",), "VISIT"
        ),
    ),
    "countersigning.propose": ((("household", Action.VOID), ("proposal", WRITES)), _propose),
    "dossiers.read": ((("household", VIEW),), lambda site: partial(dossiers.read, site.desk, site.household)),
    "dossiers.glance": ((("household", VIEW),), lambda site: partial(dossiers.glance, site.desk, site.household)),
}
AT_WORKPLACE: dict[str, tuple[Asked, Prepared]] = {
    "visits.take_photo": (
        (("attachment", WRITES),),
        lambda site: partial(visits.take_photo, site.desk, site.picture),
    ),
    "exporting.masked_list": (
        (("household", Action.EXPORT), ("export", WRITES)),
        lambda site: (
            lambda: list(exporting.masked_list(site.desk, NOBODY, "月度核对", site.picture.with_suffix(".xlsx")))
        ),
    ),
    "exporting.gather": (
        (("household", Action.FULL_EXPORT),),
        lambda site: lambda: list(exporting.gather(site.desk, NOBODY, Surface.FULL)),
    ),
}
# What needs no right of its own, and why.
FREE = {
    "desk.check": "judges values, touches nothing",
    "desk.refresh": "derives what the lists show from what is here",
    "desk.write": "does another verb",
    "session.note_exchange": "notes the time of an exchange",
    "session.watch": "the lease and the policy of this vault",
    "colleagues.read": "who has a slot, which the door shows to everybody",
    "colleagues.known": "names and places that no password may be made of",
    "colleagues.confirm": "asks the person at the desk for their own password",
    "colleagues.change_password": "one's own password",
    "colleagues.look": "asks the county whose a code is",
    "colleagues.add": "asks for the right to write a seat; see test_colleagues",
    "colleagues.remove": "asks for the right to write a seat; see test_colleagues",
    "colleagues.renew_keys": "asks for the right to write a seat; see test_colleagues",
    "countersigning.pending": "leaves out what the person may not view: test_shared_vault",
    "countersigning.colleagues": "whose slots are in this vault",
    "countersigning.second_person": "opens a slot with its own password",
    "countersigning.decide": "asks for the right of the second person: test_countersigning",
    "exporting.full_list": "gathers in full, which asks, and needs a decision: test_exporting",
    "drafts.keep": "one's own unfinished form",
    "drafts.find": "one's own unfinished form",
    "drafts.find_all": "one's own unfinished forms",
    "drafts.drop": "one's own unfinished form",
    "visits.begin": "an empty form",
    "visits.drafts": "one's own unfinished work",
    "visits.discard": "one's own unfinished work",
    "visits.photo": "opens with the key that a visible attachment holds",
    "revealing.seen": "says what a value looks like to this person",
    "dossiers.photos_of": "photos of one's own draft",
    "dossiers.open_act": "asks for each household that the act speaks of: test_shared_vault",
    "cards.current": "the number of a card that is here",
    "cards.judge": "what a card means; the file behind it is asked for by dossiers.read",
    "printouts.leave_unsure": "the print ledger of this laptop",
    "printouts.unfinished": "the print ledger of this laptop",
    "logbook.read": "leaves out what the person may not view: test_shared_vault",
    "logbook.choices": "leaves out what the person may not view: test_shared_vault",
    "logbook.receipt_of": "what this vault holds",
    "audit.check": "proves, changes nothing",
}


def verbs() -> Iterator[str]:
    """Every public function of casework whose first parameter is the desk."""
    for found in pkgutil.iter_modules(app.casework.__path__):
        module = importlib.import_module(f"app.casework.{found.name}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            first = next(iter(inspect.signature(function).parameters.values()), None)
            mine = function.__module__ == module.__name__ and not name.startswith("_")
            if mine and first is not None and first.annotation in ("Desk", Desk) and first.name == "desk":
                yield f"{found.name}.{name}"


def test_every_verb_has_a_line() -> None:
    known = {name.partition(" ")[0] for name in (*ON_FILES, *AT_WORKPLACE)} | FREE.keys()
    assert set(verbs()) == known


def rows(mine: Desk) -> dict[str, int]:
    """How many rows every table of facts, of the log and of what only this laptop keeps has."""
    with mine.vault.reading() as tx:
        tables = [*DERIVED.sorted_tables, *LOG.sorted_tables, *kept.KEPT.sorted_tables]
        return {table.name: tx.scalar(select(func.count()).select_from(table)) or 0 for table in tables}


@pytest.fixture(scope="module")
def site(village: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, dict[Place, bytes], Path]]:
    folder = tmp_path_factory.mktemp("rights") / "vault"
    shutil.copytree(village, folder)
    mine = demo.open_desk(folder)
    picture = folder.parent / "photo.png"
    Image.linear_gradient("L").save(picture)
    yield mine, {place: settle(mine, place) for place in Place}, picture
    mine.vault.lock()


@pytest.mark.parametrize("role", sorted(ROLES))
def test_a_role_may_what_the_table_says(role: str, site: tuple[Desk, dict[Place, bytes], Path]) -> None:
    mine, where, picture = site
    with mine.vault.transaction() as tx:
        demo.grant(tx, demo.MINE, [(role, demo.GRID)])
        demo.stock(tx, role, 60)
        held = people.rights(tx, demo.MINE, mine.today())
    assert [grant.role for grant in held.grants] == [role]
    everywhere = demo.everything({area for areas in AREAS.values() for area in areas if area})
    for place in Place:
        tried = Site(
            desk=replace(mine, rights=held, workplace=WORKPLACE[place]),
            superior=replace(mine, rights=everywhere),
            place=place,
            household=where[place],
            picture=picture,
        )
        for name, (asked, prepared) in {**ON_FILES, **AT_WORKPLACE}.items():
            expected = all(allowed(role, kind, action, place) for kind, action in asked)
            _try(f"{name} at {place.value}", mine, prepared(tried), expected=expected)


def _try(said: str, mine: Desk, verb: Callable[[], object], *, expected: bool) -> None:
    before, refusal = rows(mine), ""
    try:
        verb()
    except InputProblem as problem:
        refusal = problem.code
    assert refusal == ("" if expected else "not-allowed"), said
    assert expected or rows(mine) == before, f"{said} was refused and wrote all the same"
