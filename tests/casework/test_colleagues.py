"""Colleagues of one vault, with the real county: let in, cut off anywhere, working side by side, let go; new keys,
passwords. Each time both sides are asked what they hold."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest

from app.casework import colleagues, session
from app.casework.colleagues import Confirmed
from app.casework.desk import Desk, day_of
from app.casework.files import NewFile, open_file
from app.casework.opening import Opened, Opener
from app.casework.safekeeping import Safe
from app.errors import CountyRefusal, InputProblem, TransportProblem, VaultProblem
from app.ledger.chain import Chain
from app.ledger.entry import Act
from app.models.fields import Value
from app.models.queries import history, places
from app.models.queries import households as queries
from app.models.queries import staff as people
from app.models.queries.households import Filter
from app.models.records.registry import BY_NAME
from app.models.rules.lease import Standing, State
from app.models.rules.policy import MLPS
from app.models.rules.rights import Rights
from app.progress import Steps
from app.sync import enrolment
from app.sync.connection import Connection
from app.sync.enrolment import Invited, Joining
from app.sync.exchange import Report
from app.sync.protocol import EnrolmentCode
from app.vault import backups, kept, slots
from app.vault.attempts import Attempts
from app.vault.vault import Vault
from app.views.upload_page import exchange_steps
from county import administration, demo
from county.administration import Deed, said
from tests.county.conftest import Site, founded, site  # noqa: F401 - fixtures
from tests.county.laptop import clock, serving
from tests.sync.laptops import CHEAP, finished

MINE, THEIRS = "walnut ladder 清晨 seven", "copper teapot 雨后 nine"
GRID = f"{demo.VILLAGE}/{demo.GRIDS[0]}"
SECOND = "覃试二"
HOUSEHOLD = BY_NAME["household"]
DAY_MS = 86_400_000


@dataclass
class Office:
    """A laptop of the first grid, and the county on the line."""

    site: Site
    base: str
    folder: Path
    opener: Opener
    opened: Opened

    @property
    def desk(self) -> Desk:
        return self.opened.desk

    @property
    def attempts(self) -> Attempts:
        return self.opener.attempts

    def code(self, name: str, place: str = GRID) -> str:
        """A code of the county for somebody."""
        code = self.site.invite(name, place)
        return EnrolmentCode(county=code.county, host=self.base, pin=b"", secret=code.secret).text()

    def confirmed(self, password: str = MINE) -> Confirmed:
        return colleagues.confirm(self.desk, password, self.attempts)

    def adding(self, invited: Invited, password: str = THEIRS) -> Steps[object]:
        return colleagues.add(self.desk, self.confirmed(), invited, password, attempts=self.attempts, kdf=CHEAP)

    def let_in(self, name: str = SECOND) -> bytes:
        """A colleague comes in; their staff id."""
        invited = colleagues.look(self.desk, self.code(name))
        finished(self.adding(invited))
        return invited.invitation.staff

    def reopen(self, staff: bytes, password: str) -> None:
        """Somebody else sits down."""
        self.desk.vault.lock()
        self.opened = finished(self.opener.unlock(self.folder, staff, password))

    def exchange(self) -> Report:
        report = finished(self.opener.report(self.desk.vault))
        session.note_exchange(self.desk, report.offset_ms)
        return report


@pytest.fixture
def office(site: Site, tmp_path: Path) -> Iterator[Office]:  # noqa: F811
    with serving(site.county) as base:
        opener = Opener(build=1, clock=clock, random=os.urandom, attempts=Attempts(home=tmp_path / "home"), kdf=CHEAP)
        (tmp_path / "home").mkdir()
        code = site.invite("韦测一", GRID)
        text = EnrolmentCode(county=code.county, host=base, pin=b"", secret=code.secret).text()
        invited = opener.look(text)
        opened = finished(opener.enrol(invited, MINE, tmp_path / "vault", "办公室"))
        made = Office(site=site, base=base, folder=tmp_path / "vault", opener=opener, opened=opened)
        yield made
        made.desk.vault.lock()


def acts(desk: Desk) -> list[int]:
    """What was done in this vault, newest first."""
    with desk.vault.reading() as tx:
        return [row.act for row in history.acts(tx, limit=50)]


def work(desk: Desk, group: str) -> bytes:
    """Open a file of a household."""
    new = NewFile(
        household=desk.new_id(),
        head=desk.new_id(),
        household_values={
            "household_type": "ORDINARY",
            "village": _village(desk),
            "grid": desk.workplace,
            "villager_group": group,
        },
        head_values={"name": "韦试", "gender": "1"},
    )
    open_file(desk, new)
    return new.household


def _village(desk: Desk) -> bytes:
    with desk.vault.reading() as tx:
        parent = places.areas(tx)[desk.workplace].parent
        assert parent is not None
        return parent


def households(desk: Desk) -> set[bytes]:
    """The households whose files are here."""
    with desk.vault.reading() as tx:
        return {row.id for row in queries.page(tx, Filter(), limit=500)}


def test_a_colleague_comes_in_and_both_see_the_same(office: Office) -> None:
    before = households(office.desk)
    assert before
    first = office.desk.author
    staff = office.let_in()
    assert [person.name for person in colleagues.read(office.desk)] == ["韦测一", SECOND]
    assert not any(person.joining for person in colleagues.read(office.desk))
    assert acts(office.desk)[0] == Act.JOIN
    office.exchange()
    office.reopen(staff, THEIRS)
    assert office.opened.person == SECOND
    assert office.desk.author.staff == staff
    assert office.desk.author.chain != first.chain
    assert households(office.desk) == before
    theirs = work(office.desk, "四组")
    office.exchange()
    office.reopen(first.staff, MINE)
    assert office.desk.author == first
    assert households(office.desk) == before | {theirs}
    with office.desk.vault.reading() as tx:
        assert kept.waiting(tx) == 0
        assert people.seats(tx, office.desk.vault.vault_id).keys() == {staff}
    county = office.site.county
    assert {first.chain, *(one.id for one in chains_of(office, staff))} <= county.log.chains.keys()


def chains_of(office: Office, staff: bytes) -> list[Chain]:
    """The chains that `staff` writes in this vault."""
    with office.desk.vault.reading() as tx:
        return [one.state for one in kept.own_chains(tx) if one.state.actor == staff]


@pytest.mark.parametrize("steps", [1, 2])
def test_a_joining_cut_off_anywhere_goes_on_with_the_same_code(office: Office, steps: int) -> None:
    invited = colleagues.look(office.desk, office.code(SECOND))
    running = office.adding(invited)
    for _ in range(steps):
        next(running)
    running.close()
    office.reopen(office.desk.author.staff, MINE)
    finished(office.adding(invited))
    staff = invited.invitation.staff
    assert len(chains_of(office, staff)) == 1
    assert not any(person.joining for person in colleagues.read(office.desk))
    office.exchange()
    office.reopen(staff, THEIRS)


def test_an_answer_that_was_lost_is_asked_for_again_when_the_colleague_unlocks(office: Office) -> None:
    """The county has agreed, the laptop never heard of it: the newcomer alone brings it to its end."""
    invited = colleagues.look(office.desk, office.code(SECOND))
    staff, vault = invited.invitation.staff, office.desk.vault
    finished(
        enrolment.join(
            vault, invited, THEIRS, attempts=office.attempts, build=1, random=os.urandom, clock=clock, kdf=CHEAP
        )
    )
    assert [person.joining for person in colleagues.read(office.desk)] == [False, True]
    assert chains_of(office, staff) == []
    office.reopen(staff, THEIRS)
    assert office.desk.author.staff == staff
    assert acts(office.desk)[0] == Act.JOIN
    assert not any(person.joining for person in colleagues.read(office.desk))
    office.exchange()


def test_without_the_county_nobody_is_let_in_and_nothing_is_lost(office: Office) -> None:
    invited = colleagues.look(office.desk, office.code(SECOND))
    away = replace(invited, code=replace(invited.code, host="http://127.0.0.1:1"))
    with office.desk.vault.transaction() as tx:
        connection = Connection.load(tx)
        replace(connection, base="http://127.0.0.1:1").save(tx)
    with pytest.raises(TransportProblem):
        finished(office.adding(away))
    with office.desk.vault.transaction() as tx:
        connection.save(tx)
        waiting = Joining.find(tx, invited.invitation.staff)
        assert waiting is not None
        assert waiting.secret.hex() not in repr(waiting)
    office.exchange()  # the half joined colleague keeps nobody from reporting
    finished(office.adding(invited))
    assert len(chains_of(office, invited.invitation.staff)) == 1


def test_a_code_that_was_used_meanwhile_leaves_no_slot(office: Office, tmp_path: Path) -> None:
    text = office.code(SECOND)
    invited = colleagues.look(office.desk, text)
    elsewhere = finished(office.opener.enrol(office.opener.look(text), THEIRS, tmp_path / "other", "别处"))
    elsewhere.desk.vault.lock()
    epoch = slots.epoch(office.folder)
    with pytest.raises(CountyRefusal, match="enrolment-used"):
        finished(office.adding(invited))
    assert [person.name for person in colleagues.read(office.desk)] == ["韦测一"]
    assert slots.epoch(office.folder) == epoch + 1  # they had a password here
    assert chains_of(office, invited.invitation.staff) == []
    office.exchange()


def test_a_code_for_elsewhere_or_of_somebody_who_is_here_is_refused(office: Office) -> None:
    with pytest.raises(InputProblem, match="colleague-elsewhere"):
        colleagues.look(office.desk, office.code("陆试三", f"{demo.VILLAGE}/{demo.GRIDS[1]}"))
    with pytest.raises(VaultProblem, match="slot-exists"):
        colleagues.look(office.desk, office.code("韦测一"))
    foreign = EnrolmentCode.parse(office.code(SECOND))
    invited = replace(office.opener.look(foreign.text()), code=replace(foreign, county=bytes(32)))
    with pytest.raises(InputProblem, match="colleague-county"):
        enrolment.check_colleague(office.desk.vault, invited)


# --- letting go ---


def test_who_was_let_go_opens_nothing_and_their_work_is_reported(office: Office) -> None:
    first = office.desk.author.staff
    staff = office.let_in()
    office.exchange()
    office.reopen(staff, THEIRS)
    theirs = work(office.desk, "五组")
    office.reopen(first, MINE)
    epoch = slots.epoch(office.folder)
    finished(colleagues.remove(office.desk, office.confirmed(), staff, "调到别的村"))
    assert slots.epoch(office.folder) == epoch + 1
    assert [person.staff for person in colleagues.read(office.desk)] == [first]
    assert acts(office.desk)[0] == Act.LEAVE
    office.desk.vault.lock()
    with pytest.raises(VaultProblem, match="no-slot"):
        Vault.unlock(office.folder, staff, THEIRS)
    office.reopen(first, MINE)
    office.exchange()
    with office.desk.vault.reading() as tx:
        assert kept.waiting(tx) == 0
        assert people.seats(tx, office.desk.vault.vault_id) == {}
    with office.site.county.log.reading() as tx:
        assert queries.sheet(tx, HOUSEHOLD, theirs) is not None


@pytest.mark.parametrize("act", ["remove", "renew"])
@pytest.mark.parametrize("steps", [1, 2])
def test_new_keys_that_were_cut_off_are_finished_at_the_next_unlocking(office: Office, act: str, steps: int) -> None:
    staff = office.let_in()
    mine, epoch = office.desk.author.staff, slots.epoch(office.folder)
    if act == "remove":
        running = colleagues.remove(office.desk, office.confirmed(), staff, "离岗")
    else:
        running = colleagues.renew_keys(office.desk, office.confirmed(), "电脑丢过一天")
    for _ in range(steps):
        next(running)
    running.close()
    told = acts(office.desk)[0]
    assert told == (Act.LEAVE if act == "remove" else Act.CHANGE_KEYS)
    office.reopen(mine, MINE)
    assert slots.epoch(office.folder) == epoch + 1
    there = {person.staff for person in colleagues.read(office.desk)}
    assert there == ({mine} if act == "remove" else {mine, staff})
    office.reopen(mine, MINE)
    assert slots.epoch(office.folder) == epoch + 1  # once is enough
    assert acts(office.desk).count(told) == 1


def test_somebody_let_go_who_unlocks_before_it_is_finished_cannot_stop_it(office: Office) -> None:
    staff = office.let_in()
    mine = office.desk.author.staff
    running = colleagues.remove(office.desk, office.confirmed(), staff, "离岗")
    next(running)
    running.close()
    with pytest.raises(VaultProblem, match="no-slot"):
        office.reopen(staff, THEIRS)
    office.reopen(mine, MINE)
    assert {person.staff for person in colleagues.read(office.desk)} == {mine}


def test_nobody_removes_themselves(office: Office) -> None:
    with pytest.raises(VaultProblem, match="slot-own"):
        finished(colleagues.remove(office.desk, office.confirmed(), office.desk.author.staff, "走了"))
    with pytest.raises(VaultProblem, match="no-slot"):
        finished(colleagues.remove(office.desk, office.confirmed(), bytes(16), "走了"))
    with pytest.raises(InputProblem, match="reason-length"):
        finished(colleagues.renew_keys(office.desk, office.confirmed(), "  "))


# --- the password again ---


def test_these_acts_need_the_password_of_the_person_at_the_desk(office: Office) -> None:
    with pytest.raises(VaultProblem, match="wrong-password"):
        office.confirmed("not the right words")
    with pytest.raises(InputProblem, match="not-allowed"):
        finished(colleagues.renew_keys(office.desk, Confirmed(staff=bytes(16)), "why"))
    nobody = replace(office.desk, rights=Rights())
    with pytest.raises(InputProblem, match="not-allowed"):
        finished(colleagues.renew_keys(nobody, office.confirmed(), "why"))
    assert Act.CHANGE_KEYS not in acts(office.desk)


def test_wrong_passwords_at_the_desk_count_at_the_door(office: Office) -> None:
    for _ in range(5):
        with pytest.raises(VaultProblem, match="wrong-password"):
            office.confirmed("not the right words")
    with pytest.raises(VaultProblem, match="too-soon"):
        office.confirmed()
    staff = office.desk.author.staff
    office.desk.vault.lock()
    with pytest.raises(VaultProblem, match="too-soon"):
        finished(office.opener.unlock(office.folder, staff, MINE))
    assert office.opener.wait_s(office.folder, staff) > 0


# --- changing one's own ---


def change(office: Office, old: str, new: str) -> None:
    colleagues.change_password(office.desk, old, new, attempts=office.attempts, kdf=CHEAP)


def test_a_changed_password_opens_and_the_old_one_does_not(office: Office) -> None:
    staff = office.let_in()
    mine, household = office.desk.author, work(office.desk, "六组")
    new = "marble kite 傍晚 eleven"
    with pytest.raises(VaultProblem, match="wrong-password"):
        change(office, THEIRS, new)
    change(office, MINE, new)
    office.desk.vault.lock()
    with pytest.raises(VaultProblem, match="wrong-password"):
        Vault.unlock(office.folder, mine.staff, MINE)
    office.reopen(mine.staff, new)
    assert office.desk.author == mine
    assert household in households(office.desk)
    office.reopen(staff, THEIRS)  # nobody else's changed


def test_a_new_password_is_judged(office: Office) -> None:
    for bad in ("short", "韦测一韦测一韦测一韦测一", "aaaaaaaaaaaaaaaaaa", "password1234"):
        with pytest.raises(InputProblem, match="password-"):
            change(office, MINE, bad)
    colleagues.confirm(office.desk, MINE, office.attempts)


def test_under_mlps_passwords_run_out_and_old_ones_are_remembered(office: Office) -> None:
    rule: dict[str, Value] = {"password_profile": MLPS, "password_days": 90}
    set_policy(office, rule)
    office.exchange()
    assert colleagues.known(office.desk).policy.password_profile == MLPS
    with pytest.raises(InputProblem, match="password-classes"):
        change(office, MINE, "marble kite evening eleven".replace(" ", ""))
    first, second = "Marble kite 7 eleven noon", "Copper rain 8 twelve dusk"
    change(office, MINE, first)
    change(office, first, second)
    with pytest.raises(InputProblem, match="password-used-before"):
        change(office, second, first)
    mine = office.desk.author.staff
    office.reopen(mine, second)
    assert office.opened.password_days == 90
    office.desk.vault.lock()
    later = replace(office.opener, clock=lambda: clock() + 91 * DAY_MS)
    office.opened = finished(later.unlock(office.folder, mine, second))
    assert office.opened.password_days is not None
    assert office.opened.password_days <= 0
    change(office, second, "Silver door 9 thirteen dawn")


def set_policy(office: Office, values: dict[str, Value]) -> None:
    """The county lays something down."""
    county = office.site.county
    with county.log.writing() as tx:
        told = said("policy", os.urandom(16), values)
        county.act(tx, office.site.by, [Deed(act=Act.SET_POLICY, roots=[county.root], said=[told])])


# --- a backup of before ---


def test_a_backup_brings_nobody_back_who_was_let_go(office: Office, tmp_path: Path) -> None:
    mine, theirs = office.desk.author.staff, office.let_in()
    office.exchange()
    safe = Safe(place=tmp_path / "backups", ballast_size=1000)
    finished(safe.back_up(office.desk))
    (backup,) = backups.of_vault(safe.place, office.folder.name)
    finished(colleagues.remove(office.desk, office.confirmed(), theirs, "调到别的镇"))
    office.exchange()
    office.desk.vault.lock()
    shutil.rmtree(office.folder)  # the disk is gone, and with it the newer slots
    finished(safe.restore(backup, office.folder, mine, MINE, now_ms=clock(), unlocking=office.attempts.unlock))

    def report() -> None:
        exchange = partial(office.opener.report, office.desk.vault)
        assert finished(exchange_steps(office.desk, exchange)).same

    office.opened = finished(office.opener.unlock(office.folder, theirs, THEIRS))  # nobody here knows better yet
    with pytest.raises(VaultProblem, match="no-slot"):
        report()
    office.desk.vault.lock()
    with pytest.raises(VaultProblem, match="no-slot"):
        finished(office.opener.unlock(office.folder, theirs, THEIRS))
    office.opened = finished(office.opener.unlock(office.folder, mine, MINE))
    assert [one.staff for one in Vault.people(office.folder)] == [mine]
    report()
    office.reopen(mine, MINE)
    assert slots.epoch(office.folder) == 2
    with pytest.raises(VaultProblem, match="no-slot"):
        Vault.unlock(office.folder, theirs, THEIRS)


# --- the lease ---


def test_an_older_copy_of_the_folder_makes_the_lease_no_longer(office: Office, tmp_path: Path) -> None:
    mine = office.desk.author.staff
    office.exchange()
    office.desk.vault.lock()
    shutil.copytree(office.folder, tmp_path / "copy")

    def days_left(after: int) -> int:
        later = replace(office.opener, clock=lambda: clock() + after * DAY_MS)
        office.opened = finished(later.unlock(office.folder, mine, MINE))
        return office.opened.lease.days_left

    def put_back() -> None:
        office.desk.vault.lock()
        shutil.rmtree(office.folder)
        shutil.copytree(tmp_path / "copy", office.folder)

    assert days_left(28) == 2
    put_back()
    assert days_left(1) == 2
    put_back()
    assert days_left(40) == 0
    put_back()
    assert days_left(0) == 0
    office.exchange()  # the county knows what time it is
    assert session.watch(office.desk)[0].days_left == 30


def test_a_grant_that_is_over_stays_over_when_the_clock_is_put_back(office: Office) -> None:
    mine, day = office.desk.author.staff, day_of(clock() + 10 * DAY_MS)
    administration.add_grant(office.site.county, office.site.by, mine, "SUPERVISOR", GRID, until=day)
    office.exchange()

    def roles(after: int) -> set[str]:
        office.desk.vault.lock()
        later = replace(office.opener, clock=lambda: clock() + after * DAY_MS)
        office.opened = finished(later.unlock(office.folder, mine, MINE))
        return {grant.role for grant in office.desk.rights.grants}

    assert "SUPERVISOR" in roles(10)
    assert "SUPERVISOR" not in roles(12)
    assert "SUPERVISOR" not in roles(0)


def test_the_lease_outlives_the_program_and_the_county_renews_it(office: Office) -> None:
    mine = office.desk.author.staff
    assert office.opened.lease.standing is Standing.OPEN
    office.desk.vault.lock()

    def unlock_after(days: int) -> State:
        later = replace(office.opener, clock=lambda: clock() + days * DAY_MS)
        office.opened = finished(later.unlock(office.folder, mine, MINE))
        return office.opened.lease

    seen = unlock_after(25)
    assert (seen.standing, seen.days_left) == (Standing.WARN, 5)
    office.desk.vault.lock()
    assert unlock_after(31).standing is Standing.UPLOAD_ONLY
    office.desk.vault.lock()
    assert unlock_after(0).standing is Standing.UPLOAD_ONLY  # the clock was put back
    assert session.watch(office.desk)[0].standing is Standing.UPLOAD_ONLY
    office.exchange()
    assert session.watch(office.desk)[0].standing is Standing.OPEN
