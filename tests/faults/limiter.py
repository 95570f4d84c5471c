"""G15: somebody at the keyboard tries passwords, and does between the tries what the rights of the user allow.

A case is one vault and some thirty acts in a random order: wrong passwords, the program killed while Argon2id runs or
started anew, the machine started anew, the wall clock set, a record of the tries removed, torn or put back from
earlier, an older slot file or the whole folder put back, a disk that takes nothing, a recovery asked for under a
password of the attacker's own and answered by the attacker. The machine's time is simulated, everything else is the
program: `Vault.unlock` and `recovery.finish` with their limiter, files, a child that is killed.

The promise is counted here by its own book: before each try that Argon2id judged, so much time has really passed as the
tries before it ask for. And the rightful owner gets in, after no more than one wait and with the data as they were.

Not promised, and not done here: both records damaged before the program has looked again.
"""

from __future__ import annotations

import hashlib
import os
import random as chance
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection

from app.errors import VaultProblem
from app.vault import recovery, sealing
from app.vault.attempts import FOLDER, FREE, WAITS_S, Attempts
from app.vault.disk import PARTIAL
from app.vault.slotfile import FILE_NAMES, SEALED_KEY_BYTES, KdfParameters
from app.vault.vault import Vault
from tests.faults.frame import empty_folder, lasting_folder

NAME = "limiter"
TITLE = "G15: the wait after wrong passwords cannot be got round by restart, kill, clock or files put back"
CI = 200
RELEASE = 2_000

ACTS = 30
CHEAP = KdfParameters(memory_kib=64, passes=1, lanes=1)
OWNER, COLLEAGUE = bytes(16), bytes(range(16))
RIGHT, BEFORE, THEIRS, MINE = "now right", "right once", "of a colleague", "of the attacker"
SAVED = "kept"


def case(number: int, folder: Path, limiter: type[Attempts] = Attempts, *, by_wall: bool = False) -> str:
    """One attack, then the owner. `limiter` and `by_wall` are for lowering a protection."""
    dice = chance.Random(number)
    scene = Scene(folder, dice, limiter, by_wall)
    for _ in range(ACTS):
        dice.choice(scene.acts())()
        scene.pass_time(dice.choice((0, 0, 1, 10)))
    return scene.owner_comes()


def lowered() -> str:
    """A clock that can be set, a count in one place, a count after the try instead of before it, a count that ends with
    any password that was right: each is found."""
    ways: list[tuple[str, type[Attempts], bool]] = [
        ("the wall clock", Attempts, True),
        ("one record only", _OnePlace, False),
        ("counting after the try", _Afterwards, False),
        ("answers of one's own making", _Forgiving, False),
    ]
    for name, limiter, by_wall in ways:
        assert any(_broken(number, limiter, by_wall) for number in range(60)), f"nothing seen with {name}"
    return f"limiter: found out with {', '.join(name for name, *_ in ways)}"


# --- one attack -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Machine:
    """Time, in milliseconds: what really passed, since the machine started, and what the wall clock says."""

    real: int = 5_000_000
    started: int = 0
    wall: int = 1_800_000_000_000
    starts: int = 0
    names_starts: bool = True

    def running(self) -> int:
        return self.real - self.started

    def boot(self) -> str:
        return f"start {self.starts}" if self.names_starts else ""


@dataclass(slots=True)
class Book:
    """What the promise asks for, kept beside the program: `wrong` tries so far, none `until` then; and both as they
    were when records could last be written. `guessed`: they stand for what a full disk may have made unknown."""

    wrong: int = 0
    until: int = 0
    written: tuple[int, int] = (0, 0)
    guessed: bool = False
    judged: int = 0

    def judge(self, now: int, *, full: bool) -> None:
        """Argon2id has judged a try."""
        assert now >= self.until, f"a try {(self.until - now) / 1000} s too soon, after {self.wrong} wrong ones"
        self.wrong += 1
        self.judged = now
        self.until = now + _wait(self.wrong)
        self.guessed = False
        self.look(full=full)

    def look(self, *, full: bool) -> None:
        """The program has looked, and written what it knows where it can."""
        if not full and self.guessed:
            self.restart(0, full=False)
        elif not full:
            self.written = self.wrong, self.until

    def restart(self, now: int, *, full: bool) -> None:
        """Only what was written is known. On a full disk a wait stands for what could not be written: the one that is
        written, once more since the last try, or from now on the first of all."""
        self.wrong, self.until = self.written
        self.guessed = full and now >= self.until
        if self.guessed:
            begun = now if self.wrong < FREE else self.judged
            self.wrong = max(self.wrong, FREE)
            self.until = begun + _wait(self.wrong)


class Scene:
    """The vault, the program's own folder, the machine, and what the attacker kept."""

    def __init__(self, folder: Path, dice: chance.Random, limiter: type[Attempts], by_wall: bool) -> None:
        self.dice, self.limiter, self.by_wall = dice, limiter, by_wall
        self.vault, self.home, self.kept = folder / "vault", folder / "home", folder / "kept"
        shutil.copytree(_made() / "vault", self.vault)
        self.home.mkdir()
        self.machine = Machine(names_starts=dice.random() < 0.7)
        self.book = Book()
        self.full = False
        self.damaged = False  # one place, since the program last looked
        self.outcome = "free"
        self.program = self.started()

    def acts(self) -> list[Callable[[], None]]:
        """What may come next; tries most often."""
        tries = [self.guess] * 8 + [self.killed] * 2
        program = [self.restart, self.restart, self.reboot, self.sit, self.set_clock]
        files = [self.put_back_slots, self.fill, self.forge_answer]
        if not self.full:
            files += [self.keep_copies]
        if not self.damaged and not self.full:
            files += [self.remove, self.tear, self.put_back_record, self.put_back_folder]
        return tries + program + files

    def started(self) -> Attempts:
        """The program, started: it looks at what is left to wait."""
        clock = (lambda: self.machine.wall) if self.by_wall else self.machine.running
        program = self.limiter(home=self.home, clock_ms=clock, boot=self.machine.boot)
        program.seconds_left(self.vault, OWNER)
        self.damaged = False
        return program

    def pass_time(self, seconds: int) -> None:
        self.machine.real += seconds * 1000
        self.machine.wall += seconds * 1000

    # tries

    def guess(self) -> None:
        """A wrong password; sometimes after waiting as long as the program says, sometimes without."""
        if self.dice.random() < 0.5:
            self.pass_time(self.program.seconds_left(self.vault, OWNER))
        code, seconds = self._try(OWNER, "a guess")
        self.damaged = False
        self.book.look(full=self.full)
        if code == "too-soon":
            assert 0 < seconds <= WAITS_S[-1]
            self.outcome = "waited"
            return
        assert code == "wrong-password"
        self.book.judge(self.machine.real, full=self.full)
        assert self.full or seconds * 1000 >= _wait(self.book.wrong)

    def killed(self) -> None:
        """The program dies while Argon2id runs: it counts as judged."""
        child = os.fork()
        if not child:
            _die_in_argon2(lambda: self._try(OWNER, "a guess"))
        _, status = os.waitpid(child, 0)
        self.book.look(full=self.full)
        if os.WIFSIGNALED(status):
            self.book.judge(self.machine.real, full=self.full)
        self.restart()

    def _try(self, staff: bytes, password: str) -> tuple[str, int]:
        try:
            vault = Vault.unlock(self.vault, staff, password, attempts=self.program)
        except VaultProblem as problem:
            return problem.code, int(problem.facts.get("seconds") or 0)
        with vault.reading() as connection:
            assert connection.exec_driver_sql("SELECT body FROM note").scalars().all() == [SAVED]
        vault.lock()
        return "opened", 0

    # the program and the machine

    def restart(self) -> None:
        self.book.restart(self.machine.real, full=self.full)
        self.program = self.started()

    def reboot(self) -> None:
        self.pass_time(self.dice.choice((8, 60)))
        self.machine.started = self.machine.real - 5_000
        self.machine.starts += 1
        self.restart()

    def sit(self) -> None:
        self.pass_time(self.dice.choice((5, 29, 31, 100, 2_000)))

    def set_clock(self) -> None:
        self.machine.wall += self.dice.choice((-1, 1)) * self.dice.choice((3_600, 86_400 * 400)) * 1000

    # files

    def _records(self) -> list[Path]:
        return [path for place in (self.vault, self.home) for path in (place / FOLDER).glob("*") if path.is_file()]

    def remove(self) -> None:
        place = self.dice.choice((self.vault, self.home))
        shutil.rmtree(place / FOLDER, ignore_errors=True)
        self.damaged = True

    def tear(self) -> None:
        if records := self._records():
            record = self.dice.choice(records)
            data = record.read_bytes()
            cut = self.dice.randrange(len(data) + 1)
            record.write_bytes(self.dice.choice((data[:cut], bytes(len(data)), data[:-1] + bytes([data[-1] ^ 1]))))
            self.damaged = True

    def keep_copies(self) -> None:
        shutil.rmtree(self.kept, ignore_errors=True)
        for place in (self.vault, self.home):
            shutil.copytree(place, self.kept / place.name)

    def put_back_record(self) -> None:
        place = self.dice.choice((self.vault, self.home))
        if (self.kept / place.name).is_dir():
            shutil.rmtree(place / FOLDER, ignore_errors=True)
            if (self.kept / place.name / FOLDER).is_dir():
                shutil.copytree(self.kept / place.name / FOLDER, place / FOLDER)
            self.damaged = True

    def put_back_folder(self) -> None:
        if (self.kept / "vault").is_dir():
            shutil.rmtree(self.vault)
            shutil.copytree(self.kept / "vault", self.vault)
            self.damaged = True

    def put_back_slots(self) -> None:
        for name in FILE_NAMES:
            shutil.copy(_made() / self.dice.choice(("older", "vault")) / name, self.vault / name)

    def fill(self) -> None:
        """The disk takes no record any more, or takes them again."""
        if self.damaged:
            return
        self.full = not self.full
        for staff in (OWNER, COLLEAGUE):
            for record in Attempts(home=self.home).places(self.vault, staff):
                beside = record.with_name(record.name + PARTIAL)  # as a folder it stands in the way of every write
                record.parent.mkdir(exist_ok=True)
                if self.full:
                    beside.mkdir()
                else:
                    beside.rmdir()

    def forge_answer(self) -> None:
        """A recovery for the owner under a password that is known, and an answer to it that nobody gave."""
        asked = recovery.begin(self.vault, OWNER, MINE, random=self.dice.randbytes, kdf=CHEAP)
        answer = recovery.Answer(
            vault_id=asked.vault_id,
            epoch=asked.epoch,
            request=hashlib.sha256(asked.encode()).digest(),
            sealed=self.dice.randbytes(SEALED_KEY_BYTES),
            enrol=(b"", bytes(64), b""),
        )
        code = "opened"
        try:
            recovery.finish(self.vault, MINE, answer, random=self.dice.randbytes, kdf=CHEAP, attempts=self.program)
        except VaultProblem as problem:
            code = problem.code
        assert code in ("answer-unusable", "too-soon"), code
        self.damaged = False
        self.book.look(full=self.full)

    # the end

    def owner_comes(self) -> str:
        """The colleague is not kept waiting, the owner once at most."""
        for name in FILE_NAMES:
            shutil.copy(_made() / "vault" / name, self.vault / name)
        if not self.full:
            assert self._try(COLLEAGUE, THEIRS)[0] == "opened"
        code, seconds = self._try(OWNER, RIGHT)
        if code == "too-soon":
            self.pass_time(seconds)
            code, _ = self._try(OWNER, RIGHT)
        assert code == "opened", code
        if not self.full:
            assert self._try(OWNER, "a slip") == ("wrong-password", 0)
        return "full" if self.full else self.outcome


def _wait(wrong: int) -> int:
    """Security.md 2.4, in milliseconds, written down a second time."""
    return {0: 0, 1: 0, 2: 0, 3: 0, 4: 0, 5: 30, 6: 60, 7: 300, 8: 900}.get(wrong, 1800) * 1000


def _die_in_argon2(attempt: Callable[[], object]) -> NoReturn:
    """In a child: SIGKILL at the moment Argon2id begins, exit code 0 when it never does."""

    def die(password: str, salt: bytes, kdf: KdfParameters) -> NoReturn:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    setattr(sealing, "key_of", die)  # noqa: B010  a child that ends here
    try:
        attempt()
    finally:
        os._exit(0)


@cache
def _made() -> Path:
    """A vault of two people with one saved note; `older` are its slot files from before the owner changed the
    password."""
    folder = lasting_folder()

    def prepare(connection: Connection) -> None:
        connection.exec_driver_sql("CREATE TABLE note (body TEXT)")
        connection.exec_driver_sql("INSERT INTO note VALUES (?)", (SAVED,))

    vault = Vault.create(
        folder / "vault",
        staff=OWNER,
        label="甲",
        password=BEFORE,
        recovery_public=X25519PrivateKey.generate().public_key().public_bytes_raw(),
        random=os.urandom,
        prepare=prepare,
        kdf=CHEAP,
    )
    vault.add_person(staff=COLLEAGUE, label="乙", password=THEIRS, random=os.urandom, kdf=CHEAP)
    (folder / "older").mkdir()
    for name in FILE_NAMES:
        shutil.copy(folder / "vault" / name, folder / "older" / name)
    vault.change_password(BEFORE, RIGHT, random=os.urandom, kdf=CHEAP)
    vault.lock()
    return folder


# --- with less protection -------------------------------------------------------------------------------------


class _OnePlace(Attempts):
    """Counts in the vault's folder alone."""

    def places(self, folder: Path, staff: bytes) -> tuple[Path, ...]:
        return super().places(folder, staff)[:1]


class _Afterwards(Attempts):
    """Counts a try when it has been judged, not before."""

    @contextmanager
    def counting(self, folder: Path, staff: bytes) -> Iterator[None]:
        if left := self.seconds_left(folder, staff):
            raise VaultProblem("too-soon", seconds=left)
        try:
            yield
        except VaultProblem as problem:
            with super().counting(folder, staff):
                raise problem
        with super().counting(folder, staff):
            pass


class _Forgiving(Attempts):
    """Clears the count when the password was right, whatever it was the password of."""

    @contextmanager
    def counting(self, folder: Path, staff: bytes) -> Iterator[None]:
        try:
            with super().counting(folder, staff):
                yield
        except VaultProblem as problem:
            if problem.code not in ("wrong-password", "too-soon"):
                self._clear(self.places(folder, staff))
            raise


def _broken(number: int, limiter: type[Attempts], by_wall: bool) -> bool:
    with empty_folder() as folder:
        try:
            case(number, folder, limiter, by_wall=by_wall)
        except AssertionError:
            return True
    return False
