"""Coming to the desk: opening a vault, enrolling a new one, recovering one, reporting to the county. All of it runs on
the lanes.

A desk is handed out only when it is ready: after a hot opening the chain was walked and the log folded again; an
enrolment, a joining, new keys or a recovery that were cut off are finished; all summaries are derived.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.casework import colleagues, recovering
from app.casework.desk import Desk, day_of, refresh
from app.casework.recovering import Asked
from app.casework.session import look_at_lease, note_contact
from app.errors import VaultProblem
from app.ledger import chain as chains
from app.ledger.act import Random
from app.models.queries import places, staff
from app.models.rules import passwords
from app.models.rules.lease import State
from app.progress import Steps
from app.sync import enrolment, exchange, journal
from app.sync.connection import Connection
from app.sync.enrolment import Invited
from app.sync.exchange import Report
from app.sync.transport import Clock
from app.vault import kept, recovery, slots
from app.vault.attempts import Attempts
from app.vault.recovery import Answer
from app.vault.slots import KdfParameters
from app.vault.vault import Vault
from app.vault.witness import Witness


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A vault that was opened and is ready: the desk of its person, what it knows of the county, person and place in
    words. `password_days`: until the password has to be changed (0 or less: now), None where it need not be."""

    desk: Desk
    connection: Connection
    person: str
    place: str
    password_days: int | None
    lease: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """What opening needs of the program: its build, clock and chance, how often a password may be tried, what deriving
    a key costs (None: measured when it is needed), and which thread must not wait for a vault."""

    build: int
    clock: Clock
    random: Random
    attempts: Attempts
    kdf: KdfParameters | None = None
    forbid_thread: Callable[[], bool] | None = None

    @property
    def witness(self) -> Witness:
        """What this computer knows of time, beside the vault."""
        return Witness(home=self.attempts.home, clock_ms=self.attempts.clock_ms, boot=self.attempts.boot)

    def look(self, code: str) -> Invited:
        """Whom an enrolment code is for."""
        return enrolment.look(code, random=self.random, clock=self.clock)

    def wait_s(self, folder: Path, person: bytes) -> int:
        """How many seconds `person` still has to wait before trying a password at the vault in `folder`."""
        return self.attempts.seconds_left(folder, person)

    def unlock(self, folder: Path, person: bytes, password: str) -> Steps[Opened]:
        """Open the vault in `folder`; VaultProblem as `Vault.unlock`, or "enrolment-unfinished"."""
        vault = Vault.unlock(folder, person, password, attempts=self.attempts, forbid_thread=self.forbid_thread)
        try:
            if vault.opened_hot:
                yield from journal.recheck(vault)
            with vault.reading() as tx:
                connection = Connection.find(tx)
            if connection is None:
                raise VaultProblem("enrolment-unfinished")
            report: Report | None = None
            if not connection.enrolled:
                report = yield from enrolment.resume(vault, build=self.build, random=self.random, clock=self.clock)
            return (yield from self._ready(vault, report))
        except BaseException:
            vault.lock()
            raise

    def enrol(self, invited: Invited, password: str, folder: Path, device_name: str) -> Steps[Opened]:
        """Use an enrolment code: vault, chain, first download."""
        vault, report = yield from enrolment.enrol(
            invited,
            password,
            folder,
            device_name,
            build=self.build,
            random=self.random,
            clock=self.clock,
            kdf=self.cost(),
            attempts=self.attempts,
        )
        try:
            return (yield from self._ready(vault, report))
        except BaseException:
            vault.lock()
            raise

    def ask(self, folder: Path, person: bytes, password: str) -> Asked:
        """忘记密码, first step: new keys under the new `password`, and the request for the county. As
        `recovery.begin`."""
        return Asked.of(recovery.begin(folder, person, password, random=self.random, kdf=self.cost()))

    def recover(self, folder: Path, password: str, answer: Answer) -> Steps[Opened]:
        """忘记密码, second step: the county's answer and the password given to `ask` open the vault. As
        `recovery.finish` and `unlock`."""
        unlocked = recovery.finish(
            folder, password, answer, random=self.random, kdf=self.cost(), attempts=self.attempts
        )
        return (yield from self.unlock(folder, unlocked.person.staff, password))

    def cost(self) -> KdfParameters:
        """What deriving a key from a new password costs here; measuring it takes about a second."""
        return self.kdf or slots.calibrate()

    def report(self, vault: Vault) -> Steps[Report]:
        """One exchange with the county that this vault knows."""
        with vault.reading() as tx:
            connection = Connection.load(tx)
        county = connection.county(vault, random=self.random, clock=self.clock)
        try:
            return (yield from exchange.run(vault, county, random=self.random))
        finally:
            county.close()

    def _ready(self, vault: Vault, report: Report | None) -> Steps[Opened]:
        with vault.transaction() as tx:
            kept.prepare(tx)
            if report is not None:
                note_contact(tx, vault, self.clock(), report.offset_ms, self.witness)
        recovering.settle(vault, build=self.build, clock=self.clock)
        yield from colleagues.resume_joining(vault, random=self.random, clock=self.clock)
        yield from colleagues.settle_people(vault, self.random)
        with vault.transaction() as tx:
            connection = Connection.load(tx)
            author = journal.author_of(tx, vault.signing_seed, self.build)
            facts = journal.county_facts(tx)
            policy = staff.policy(tx)
            lease, at_least_ms = look_at_lease(tx, vault, self.clock(), policy, self.witness)
            # A clock that was put back brings no grant back whose last day is over.
            held = staff.rights(tx, author.staff, day_of(at_least_ms))
            since = day_of(colleagues.password_since(tx, author.staff, self.clock()))
        desk = Desk(
            vault=vault,
            author=author,
            workplace=connection.workplace,
            county_code=facts[chains.COUNTY_CODE],
            demo=bool(facts.get(chains.DEMO)),
            clock=self.clock,
            random=self.random,
            rights=held,
            policy=policy,
            witness=self.witness,
        )
        yield from refresh(desk)
        with vault.reading() as tx:
            place = places.place_name(places.areas(tx), connection.workplace) or connection.workplace_name
            person = places.staff(tx).get(author.staff)
        label = next(one.label for one in Vault.people(vault.folder) if one.staff == author.staff)
        return Opened(
            desk=desk,
            connection=connection,
            person=person.name if person is not None and person.name else label,
            place=place,
            password_days=passwords.due(since, policy, desk.today()),
            lease=lease,
        )
