"""A vault of several people holds the best sight of all of them; each sees in lists, counts, searches and the log only
the households that their own grants reach."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from app.casework import countersigning, dossiers, exporting, logbook
from app.casework import desk as desks
from app.casework.countersigning import NewProposal
from app.casework.desk import Desk, created
from app.casework.logbook import Wanted
from app.errors import InputProblem
from app.ledger.entry import Act
from app.models.fields import Value
from app.models.queries import history, households
from app.models.queries import staff as people
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.models.rules.masking import Surface
from app.sync import journal
from app.views import batch, households_page, today_page
from app.views.batch import Which
from tests import demo
from tests.sync.laptops import finished

HOUSEHOLD, MEMBER, VISIT = (BY_NAME[name] for name in ("household", "member", "visit"))
PHONE, NUMBER, THEIR_NAME = "10000009911", "99010119900101991X", "韦隔壁"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """The desk of the grid worker, and how the same vault is opened by somebody with other grants. `next_door` is a
    household of the other grid."""

    mine: Desk
    next_door: bytes

    def seen_by(self, *granted: tuple[str, bytes]) -> Desk:
        with self.mine.vault.transaction() as tx:
            demo.grant(tx, demo.MINE, granted)
            return replace(self.mine, rights=people.rights(tx, demo.MINE, self.mine.today()))


@pytest.fixture
def shared(mine: Desk) -> Shared:
    household, head, visit = mine.new_id(), mine.new_id(), mine.new_id()
    with mine.vault.transaction() as tx:
        demo.grant(tx, demo.MINE, [("GRID", demo.GRID)])
        values: dict[str, Value] = {
            "grid": demo.OTHER_GRID,
            "villager_group": "十九组",
            "head": head,
            "contact_phone": PHONE,
        }
        said = [
            created(HOUSEHOLD, household, {**values, "household_type": "ORDINARY"}),
            created(MEMBER, head, {"household": household, "name": THEIR_NAME, "cert_no": NUMBER, "relation": "02"}),
            created(VISIT, visit, {"household": household, "visited_on": mine.today(), "summary": "在家"}),
        ]
        journal.append(tx, mine.author, Act.IMPORT, [household], said, mine.clock(), mine.random)
    for _ in desks.refresh(mine):
        pass
    found = Shared(mine=mine, next_door=household)
    return replace(found, mine=found.seen_by(("GRID", demo.GRID)))


def listed(desk: Desk, typed: str = "") -> set[bytes]:
    """What the list of households shows, whose count has to say the same."""
    found = households_page.reader(desk, Filter(typed=typed), "walk", False)(0, 200)
    assert found.total == len(found.rows)
    return {row.id for row in found.rows}


def test_each_sees_their_own_households_and_no_others(shared: Shared) -> None:
    here, there = shared.mine, shared.seen_by(("GRID", demo.OTHER_GRID))
    village, nobody = shared.seen_by(("VILLAGE", demo.VILLAGE)), shared.seen_by(("AUDITOR", demo.TOWNSHIP))
    with here.vault.reading() as tx:
        everything = {row.id for row in households.page(tx, Filter())}
    assert listed(here) == everything - {shared.next_door}
    assert listed(there) == {shared.next_door}
    assert listed(nobody) == set()
    assert listed(village) == everything
    for desk, shown in ((here, False), (there, True), (nobody, False)):
        for typed in (THEIR_NAME, PHONE[-4:], NUMBER[-6:]):
            assert (shared.next_door in listed(desk, typed)) == shown
        assert ("十九组" in [group for group, _ in households_page._groups(desk)]) == shown
        offered, chosen = batch.offer(desk), finished(batch.choose(desk, Which()))
        assert any(group == "十九组" for group, _ in offered.groups) == shown
        assert {each.row.id for each in chosen.candidates} <= listed(desk)
        page, count = today_page.read(desk), len(listed(desk))
        assert page.of_all == count
        assert {due.household.id for due in page.due} <= listed(desk)
        choices = finished(logbook.choices(desk))
        assert {household for household, _ in choices.households} == listed(desk)
    assert today_page.read(there).visited == 1
    assert today_page.read(nobody).visited == 0
    assert finished(exporting.gather(village, Filter(), Surface.LIST)).households == len(listed(village))


def test_the_log_says_nothing_of_households_elsewhere(shared: Shared) -> None:
    here, there = shared.mine, shared.seen_by(("GRID", demo.OTHER_GRID))
    nobody = shared.seen_by(("AUDITOR", demo.TOWNSHIP))
    with here.vault.reading() as tx:
        (theirs,) = [act.id for act in history.acts(tx, root=shared.next_door)]
        whole = history.count(tx)
        of_files = {row.id for row in households.page(tx, Filter())}
    for desk, shown in ((here, False), (there, True), (nobody, False)):
        part = logbook.read(desk, Wanted(), 0, 10_000)
        assert part.total == len(part.lines)
        assert (theirs in {line.detail.row.id for line in part.lines}) == shown
        assert logbook.read(desk, Wanted(household=shared.next_door), 0, 10).total == shown
        if not shown:
            with pytest.raises(InputProblem, match="not-allowed"):
                dossiers.open_act(desk, theirs)
    assert logbook.read(here, Wanted(), 0, 1).total == whole - 1
    opened = dossiers.open_act(there, theirs)
    assert opened is not None
    assert opened.holds
    quiet = logbook.read(nobody, Wanted(), 0, 10_000)
    assert not any(set(line.detail.row.roots) & of_files or line.heads for line in quiet.lines)
    assert quiet.total  # what the county laid down is for everybody


def test_what_a_workplace_says_of_its_files_is_for_who_may_look_at_them(shared: Shared) -> None:
    station = shared.seen_by(("STATION", demo.TOWNSHIP))
    new = NewProposal(id=station.new_id(), matter="VOID_FILE", reason="全户迁往外省", household=shared.next_door)
    countersigning.propose(replace(station, workplace=demo.OTHER_GRID), new)
    (pending,) = countersigning.pending(station)
    entry = pending.proposed.entry
    for granted, shown in (
        (("STATION", demo.TOWNSHIP), True),
        (("GRID", demo.OTHER_GRID), True),
        (("GRID", demo.GRID), False),
        (("AUDITOR", demo.TOWNSHIP), False),
    ):
        desk = shared.seen_by(granted)
        part = logbook.read(desk, Wanted(), 0, 10_000)
        assert (entry in {line.detail.row.id for line in part.lines}) == shown
        assert bool(countersigning.pending(desk)) == shown
        if not shown:
            with pytest.raises(InputProblem, match="not-allowed"):
                dossiers.open_act(desk, entry)


def test_numbers_find_nobody_where_they_are_never_seen(shared: Shared) -> None:
    typed = (THEIR_NAME, PHONE[-4:], NUMBER[-6:], f"{THEIR_NAME} {NUMBER[-6:]}")

    def found(desk: Desk) -> list[bool]:
        return [shared.next_door in listed(desk, each) for each in typed]

    by_name_alone = [True, False, False, False]
    assert found(shared.seen_by(("HELPER", demo.OTHER_GRID))) == [True] * 4  # with a reason
    assert found(shared.seen_by(("DEPT", demo.OTHER_GRID))) == by_name_alone
    # Seen in one place, never in the other: each household is looked at by its own.
    both = ("DEPT", demo.OTHER_GRID), ("GRID", demo.GRID)
    desk = shared.seen_by(*both)
    assert found(desk) == by_name_alone
    with desk.vault.reading() as tx:
        with_phone = next(row for row in households.page(tx, desk.listed()) if row.contact_phone not in (None, PHONE))
    assert with_phone.contact_phone is not None
    assert with_phone.id in listed(desk, with_phone.contact_phone[-6:])


def test_household_numbers_are_found_by_whoever_sees_the_list(shared: Shared) -> None:
    desk = shared.seen_by(("DEPT", demo.GRID))
    with desk.vault.reading() as tx:
        row = next(row for row in households.page(tx, desk.listed()) if row.household_no)
    assert row.household_no is not None
    assert row.id in listed(desk, row.household_no[-5:])
