"""A laptop whose clock jumps: by hours, by thirty years both ways, into 1970, 2099 and a leap day, over a sleep, in any
time zone; between and within saves, drafts and uploads to a real county (G18).

After each session the promises are looked at: every acknowledged save is there and in the order in which it was made,
by the chain and by the county's log; nothing is twice; drafts are there; the vault opens; what a clock said wrongly is
only a date in an entry; a visit begun "today" has the day of Asia/Shanghai by the clock of that moment. An upload may
fail in the middle of a jump, as it may on any bad line; the next one has to bring everything.

A jump is what the program sees of it: the next reading of the clock that it was given. Within long work it comes
between two readings. The system's own clock is not moved: nothing in the program may ask it (see `lowered`).
"""

from __future__ import annotations

import os
import random as chance
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.casework import visits
from app.casework.desk import Desk, day_of
from app.casework.opening import Opener
from app.errors import CountyRefusal, InputProblem, TransportProblem
from app.models.queries import households
from app.models.queries.households import Filter
from app.models.rules.lease import Lease, Standing
from app.models.tables import DERIVED, ENTRY
from app.sync import enrolment, exchange, journal, transport
from app.sync.connection import Connection
from app.vault import kept
from app.vault.attempts import Attempts
from app.vault.vault import Vault
from county import administration, demo
from county.administration import Areas
from county.administration import County as Office
from county.enrolment import invite
from tests.county.laptop import serving
from tests.faults.frame import empty_folder, lasting_folder
from tests.sync.laptops import CHEAP, PASSWORD, finished

NAME = "clocks"
TITLE = "G18: clocks that jump: nothing lost, reordered or unopenable"
JUMPS = 10  # in a session, which is a case: 200 jumps in `make test`, 10,000 in `make faults`
CI = 20
RELEASE = 1_000

NOW = 1_795_229_880_000  # 2026-11-21 10:58 in Shanghai
SHANGHAI = timezone(timedelta(hours=8))
HOUR, DAY = 3_600_000, 86_400_000
YEAR = 365 * DAY
SUMMARY = "老人在家，身体稳定，屋顶漏雨处已经补好，药费报销也到了账，"
ZONES = ("Asia/Shanghai", "UTC", "America/Los_Angeles", "Pacific/Kiritimati", "Asia/Urumqi")


class Clock:
    """A clock that jumps at the reading after the next `fuse` ones."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now
        self.fuse = -1
        self.target = now
        self.shown: list[int] = []

    def __call__(self) -> int:
        if self.fuse == 0:
            self.now = self.target
        self.fuse = max(self.fuse - 1, -1)
        self.now += 7
        self.shown.append(self.now)
        return self.now

    def jump(self, target: int, fuse: int) -> None:
        """Stand at `target` after some more readings."""
        self.target, self.fuse = target, fuse


def jump(dice: chance.Random, now: int) -> int:
    """Where a clock may stand next."""
    kind = dice.randrange(8)
    if kind < 3:
        return max(0, now + dice.randrange(-30 * YEAR, 30 * YEAR))  # no system's clock shows less
    if kind == 3:
        return max(0, now + dice.choice((-14, -12, -8, -1, 1, 8, 12, 14)) * HOUR)  # a time zone taken for the time
    if kind == 4:
        return now + dice.randrange(0, 90 * DAY)  # it slept
    if kind == 5:  # around midnight of a leap day in Shanghai, and of the end of a year
        year, month, day = dice.choice(((2028, 2, 29), (2028, 3, 1), (2027, 1, 1), (2096, 2, 29)))
        at = datetime(year, month, day, tzinfo=SHANGHAI)
        return int(at.timestamp() * 1000) + dice.randrange(-5_000, 5_000)
    if kind == 6:
        return dice.choice((0, 1_000, 86_400_000, int(datetime(1980, 1, 1, tzinfo=UTC).timestamp() * 1000)))
    return int(datetime(2099, 12, 31, 15, 59, 59, tzinfo=UTC).timestamp() * 1000) + dice.randrange(2_000)


# --- the place ------------------------------------------------------------------------------------------------


def _right() -> int:
    """The county's clock: right."""
    return NOW + time.monotonic_ns() // 1_000_000 % 1_000_000


@cache
def _template() -> Path:
    """A county and an enrolled laptop, both closed, made once in a process."""
    folder = lasting_folder()
    office, _ = demo.build(folder / "site", _right, os.urandom, kdf=CHEAP)
    with office.log.reading() as tx:
        staff = administration.staff_called(tx, demo.STAFF[0].name)
        workplace = Areas(tx).at(demo.STAFF[0].place).id
    with serving(office) as base:
        code = invite(office, staff, workplace, base, plain=True)
        invited = enrolment.look(code.text(), random=os.urandom, clock=Clock())
        steps = enrolment.enrol(
            invited, PASSWORD, folder / "vault", "笔记本", build=1, random=os.urandom, clock=Clock(), kdf=CHEAP
        )
        finished(steps)[0].lock()
    office.close()
    unlocked(folder / "vault", Clock(), chance.Random(1)).vault.lock()  # derives what the lists show
    return folder


def unlocked(folder: Path, clock: Clock, dice: chance.Random) -> Desk:
    """The desk in `folder`, opened as the program opens it."""
    limiter = Attempts(home=folder.parent / "home")
    opener = Opener(build=1, clock=clock, random=dice.randbytes, attempts=limiter, kdf=CHEAP)
    return finished(opener.unlock(folder, Vault.people(folder)[0].staff, PASSWORD)).desk


@dataclass(slots=True)
class Session:
    """One laptop with its clock, and all that was acknowledged."""

    folder: Path
    clock: Clock
    dice: chance.Random
    desk: Desk
    base: str
    saved: list[tuple[bytes, str, str]]  # visit, its day, its summary, in the order of the saves
    drafts: dict[bytes, str]
    uploads: int = 0

    @property
    def vault(self) -> Vault:
        """The open vault."""
        return self.desk.vault

    def end(self) -> None:
        """The program ends."""
        self.vault.lock()

    def reopen(self) -> None:
        """The program ends and is started again."""
        self.end()
        self.desk = unlocked(self.folder, self.clock, self.dice)

    def visit(self) -> None:
        """A visit is begun, kept as a draft, and mostly saved."""
        with self.vault.reading() as tx:
            household = self.dice.choice([row.id for row in households.page(tx, Filter(), limit=20)])
        self.clock.shown.clear()
        draft = visits.begin(self.desk, household)
        days = [datetime.fromtimestamp(at / 1000, SHANGHAI).date().isoformat() for at in self.clock.shown]
        assert draft.values["visited_on"] in days, "today is not Shanghai's"
        summary = SUMMARY + str(len(self.saved)) + "/" + str(len(self.drafts))
        draft = replace(draft, values={**draft.values, "summary": summary})
        visits.keep_draft(self.desk, draft)
        self.drafts[draft.id] = summary
        if self.dice.random() < 0.2:
            return
        try:
            visits.record(self.desk, draft)
        except InputProblem:
            return  # a date in the future, told; the draft is there
        del self.drafts[draft.id]
        self.saved.append((draft.id, str(draft.values["visited_on"]), summary))

    def upload(self) -> bool:
        """One exchange; whether it went through."""
        with self.vault.reading() as tx:
            connection = replace(Connection.load(tx), base=self.base)
        county = connection.county(self.vault, random=os.urandom, clock=self.clock)
        try:
            finished(exchange.run(self.vault, county, random=os.urandom))
        except TransportProblem:
            return False
        except CountyRefusal as refusal:
            if refusal.code != "clock-off":
                raise
            return False
        finally:
            county.close()
        self.uploads += 1
        return True

    def look(self) -> None:
        """All that was promised."""
        with self.vault.reading() as tx:
            chain = kept.own_chains(tx)[0].state
            for _ in journal.walk(tx, chain.id):
                pass
            table = DERIVED.tables["visit"]
            found = {row.id: (row.visited_on, row.summary) for row in tx.execute(select(table))}
            query = select(ENTRY.c.data, ENTRY.c.seq).where(ENTRY.c.chain == chain.id).order_by(ENTRY.c.seq)
            order = [row.data for row in tx.execute(query)]
            held = {draft.id for draft in kept.drafts(tx, visits.FORM, self.vault.staff)}
        for visit, day, summary in self.saved:
            assert found.get(visit) == (day, summary), "an acknowledged save is lost"
        assert len(found) == len(self.saved), "a save came twice, or from nowhere"
        places = [next(n for n, data in enumerate(order) if visit in data) for visit, _, _ in self.saved]
        assert places == sorted(places), "the order of the saves changed"
        assert held == set(self.drafts), "a draft is lost"


@contextmanager
def session(number: int, folder: Path) -> Iterator[tuple[Session, Office]]:
    """A copy of the place, open."""
    made = _template()
    shutil.copytree(made / "site", folder / "site")
    shutil.copytree(made / "vault", folder / "vault")
    with ExitStack() as stack:
        office = administration.open_county(folder / "site" / "county", folder / "site" / "keys", _right, os.urandom)
        stack.callback(office.close)
        base = stack.enter_context(serving(office))
        clock, dice = Clock(), chance.Random(f"clocks {number}")
        one = Session(
            folder=folder / "vault",
            clock=clock,
            dice=dice,
            desk=unlocked(folder / "vault", clock, dice),
            base=base,
            saved=[],
            drafts={},
        )
        stack.callback(one.end)
        yield one, office


def case(number: int, folder: Path) -> str:
    """A session of some jumps, saves, uploads and restarts; then everything is looked at, here and at the county."""
    before = os.environ.get("TZ")
    with session(number, folder) as (one, office):
        try:
            os.environ["TZ"] = one.dice.choice(ZONES)
            time.tzset()
            _work(one)
            one.reopen()
            one.look()
            settled = any(one.upload() for _ in range(3))
            assert settled, "the clock stands still and the county is there, but nothing can be uploaded"
            one.look()
            _look_at_county(one, office)
        finally:
            os.environ.pop("TZ", None)
            if before is not None:
                os.environ["TZ"] = before
            time.tzset()
        return "waited" if any(day > day_of(NOW) for _, day, _ in one.saved) else "kept"


def _work(one: Session) -> None:
    lease = Lease.begin(one.clock.now, NOW)
    deeds: tuple[Callable[[], object], ...] = (one.visit, one.visit, one.visit, one.upload, one.reopen)
    for _ in range(JUMPS):
        one.clock.jump(jump(one.dice, one.clock.now), one.dice.randrange(6))
        one.dice.choice(deeds)()
        left = lease.state(one.clock.now, 30).days_left
        lease = lease.seen(one.clock.now)
        assert lease.state(one.clock.now, 30).days_left <= left, "a lease grew without the county"
    cured = lease.contact(one.clock.now, NOW).state(one.clock.now, 30)
    assert cured.standing is Standing.OPEN, "the county's time does not cure a lease"


def _look_at_county(one: Session, office: Office) -> None:
    with one.vault.reading() as tx:
        mine = kept.own_chains(tx)[0]
        ids = kept.own_ids(tx, mine.state.id, 0, mine.state.next_seq)
    assert mine.acknowledged == len(ids), "the county has not everything"
    with office.log.reading() as tx:
        query = select(ENTRY.c.id, ENTRY.c.position).where(ENTRY.c.chain == mine.state.id).order_by(ENTRY.c.seq)
        rows = tx.execute(query).all()
    assert [row.id for row in rows] == ids, "the logs differ"
    positions = [row.position for row in rows]
    assert positions == sorted(set(positions)), "the county's order is not the order of the saves"


# --- the harness itself ---------------------------------------------------------------------------------------


def lowered() -> str:
    """Each protection taken away is seen: the county's time for wrong clocks, the highest time seen, Shanghai's day."""
    seen = [
        _seen_without(transport, "TIME_HEADER", "Nothing"),
        _seen_without(Lease, "seen", lambda self, now, *_: replace(self, highest_seen_ms=now)),
        _seen_without(Desk, "today", lambda self: time.strftime("%Y-%m-%d", time.localtime(self.clock() / 1000))),
    ]
    return "without the county's time, by the clock alone, by the local day: " + "; ".join(seen)


def _seen_without(owner: Any, name: str, instead: object) -> str:
    """What breaks in the first sessions with `instead` in the place of a protection."""
    before = getattr(owner, name)
    setattr(owner, name, instead)
    try:
        for number in range(8):
            with empty_folder() as folder:
                try:
                    case(number, folder)
                except AssertionError as problem:
                    return str(problem).splitlines()[0]
    finally:
        setattr(owner, name, before)
    raise AssertionError(f"nothing broke without {name}")
