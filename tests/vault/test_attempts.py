"""Tries at a password: five free, then longer and longer waits, for each person of each vault alone."""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.errors import VaultProblem
from app.messages import SENTENCES
from app.vault import attempts, slotfile
from app.vault.attempts import FOLDER, Attempts
from app.vault.vault import Vault
from tests.vault.conftest import CHEAP, COLLEAGUE, PASSWORD, STAFF, MakeVault, code_of, refused

WRONG = "wrong"
THEIRS = "theirs"


@dataclass(slots=True)
class Clock:
    """The time since the machine started, and which start it is."""

    ms: int = 1_000_000
    start: str = "one"

    def now(self) -> int:
        return self.ms

    def boot(self) -> str:
        return self.start


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(tmp_path: Path, clock: Clock) -> Attempts:
    return Attempts(home=tmp_path / "home", clock_ms=clock.now, boot=clock.boot)


@pytest.fixture
def folder(make_vault: MakeVault) -> Path:
    vault = make_vault()
    vault.add_person(staff=COLLEAGUE, label="李桂花", password=THEIRS, random=os.urandom, kdf=CHEAP)
    vault.lock()
    return vault.folder


def enter(folder: Path, limiter: Attempts, password: str = WRONG, staff: bytes = STAFF) -> tuple[str, int]:
    """What the program says to `password`, and the seconds it names."""
    try:
        Vault.unlock(folder, staff, password, attempts=limiter).lock()
    except VaultProblem as problem:
        return problem.code, int(problem.facts.get("seconds") or 0)
    return "opened", 0


def records(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("*")) if (folder / FOLDER).is_dir() else []


def test_five_tries_are_free_and_then_it_waits_longer_and_longer(folder: Path, limiter: Attempts, clock: Clock) -> None:
    assert [enter(folder, limiter)[1] for _ in range(5)] == [0, 0, 0, 0, 30]
    for wait, following in ((30, 60), (60, 300), (300, 900), (900, 1800), (1800, 1800), (1800, 1800)):
        assert enter(folder, limiter) == ("too-soon", wait)
        clock.ms += wait * 1000 - 1
        assert enter(folder, limiter) == ("too-soon", 1)
        assert enter(folder, limiter, PASSWORD) == ("too-soon", 1)
        clock.ms += 1
        assert limiter.seconds_left(folder, STAFF) == 0
        assert enter(folder, limiter) == ("wrong-password", following)
    clock.ms += 1800 * 1000
    assert enter(folder, limiter, PASSWORD) == ("opened", 0)
    assert "too-soon" in SENTENCES


def test_the_right_password_clears_the_count_and_leaves_no_record(folder: Path, limiter: Attempts) -> None:
    for _ in range(3):
        assert [enter(folder, limiter)[1] for _ in range(4)] == [0, 0, 0, 0]
        assert len(records(folder)) == len(records(limiter.home)) == 1
        assert enter(folder, limiter, PASSWORD)[0] == "opened"
        assert not (folder / FOLDER).exists()
        assert not (limiter.home / FOLDER).exists()


def test_people_and_vaults_are_counted_alone(
    folder: Path, limiter: Attempts, tmp_path: Path, make_vault: MakeVault
) -> None:
    other = make_vault(tmp_path / "other")
    other.lock()
    for _ in range(5):
        enter(folder, limiter)
    assert enter(folder, limiter)[0] == "too-soon"
    assert enter(folder, limiter, THEIRS, COLLEAGUE)[0] == "opened"
    assert enter(other.folder, limiter, PASSWORD)[0] == "opened"
    names = [path.name for path in records(folder)]
    assert names == [path.name for path in records(limiter.home)]
    vault_id = slotfile.read(folder).file.vault_id
    for personal in (STAFF.hex(), vault_id.hex(), "王建国"):
        assert personal not in names[0]
        assert personal.encode() not in records(folder)[0].read_bytes()


def test_a_new_start_of_the_machine_begins_the_wait_again_but_once(
    folder: Path, limiter: Attempts, clock: Clock
) -> None:
    for _ in range(7):
        clock.ms += 3_600_000
        enter(folder, limiter)
    clock.ms += 299_000
    assert enter(folder, limiter) == ("too-soon", 1)
    clock.ms, clock.start = 5_000, "two"
    again = Attempts(home=limiter.home, clock_ms=clock.now, boot=clock.boot)
    assert enter(folder, again) == ("too-soon", 300)
    clock.ms += 200_000
    assert enter(folder, Attempts(home=limiter.home, clock_ms=clock.now, boot=clock.boot)) == ("too-soon", 100)
    clock.ms += 100_000
    assert enter(folder, again, PASSWORD)[0] == "opened"


def test_where_starts_have_no_name_the_clock_tells(folder: Path, limiter: Attempts, clock: Clock) -> None:
    clock.start = ""
    for _ in range(5):
        enter(folder, limiter)
    clock.ms = 1_000
    again = Attempts(home=limiter.home, clock_ms=clock.now, boot=clock.boot)
    assert enter(folder, again) == ("too-soon", 30)
    clock.ms = 31_000
    assert enter(folder, again, PASSWORD)[0] == "opened"


@pytest.mark.parametrize("place", ["folder", "home"])
def test_one_record_removed_torn_or_put_back_gains_nothing(
    folder: Path, limiter: Attempts, clock: Clock, tmp_path: Path, place: str
) -> None:
    where = folder if place == "folder" else limiter.home
    enter(folder, limiter)
    shutil.copytree(where / FOLDER, tmp_path / "earlier")
    for _ in range(5):
        enter(folder, limiter)
    for damage in ("removed", "torn", "earlier", "empty"):
        if damage == "removed":
            shutil.rmtree(where / FOLDER)
        elif damage == "earlier":
            shutil.copytree(tmp_path / "earlier", where / FOLDER, dirs_exist_ok=True)
        else:
            record = records(where)[0]
            record.write_bytes(record.read_bytes()[: 10 if damage == "torn" else 0])
        fresh = Attempts(home=limiter.home, clock_ms=clock.now, boot=clock.boot)
        assert fresh.seconds_left(folder, STAFF) == 30
        assert [path.read_bytes() for path in records(folder)] == [path.read_bytes() for path in records(limiter.home)]


def test_a_record_that_asks_for_more_than_can_be_owed_is_none(folder: Path, limiter: Attempts, clock: Clock) -> None:
    """Nobody is locked out by a record that somebody made."""
    hostile = [
        attempts._Tries(wrong=3, left_ms=10**15, at_ms=1, boot="one"),
        attempts._Tries(wrong=10**9, left_ms=1, at_ms=1, boot="one"),
        attempts._Tries(wrong=10**6, left_ms=1_800_000, at_ms=10**15, boot="one"),
    ]
    for tries in hostile:
        for record in limiter.places(folder, STAFF):
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_bytes(tries.encode())
        left = limiter.seconds_left(folder, STAFF)
        assert left <= 1800
        clock.ms += left * 1000
        assert enter(folder, limiter, PASSWORD)[0] == "opened"


def test_what_is_no_try_costs_none(folder: Path, limiter: Attempts) -> None:
    for _ in range(4):
        enter(folder, limiter)
    for _ in range(3):
        assert code_of(Vault.unlock, folder, STAFF, "x" * 1001, attempts=limiter) == "password-too-long"
        assert enter(folder, limiter, staff=bytes(16))[0] == "no-slot"
    assert enter(folder, limiter) == ("wrong-password", 30)
    assert len(records(folder)) == 1


def test_the_second_person_and_a_changed_password_are_counted_too(folder: Path, limiter: Attempts) -> None:
    vault = Vault.unlock(folder, STAFF, PASSWORD, attempts=limiter)
    for _ in range(5):
        with refused("wrong-password"):
            vault.keys_of(COLLEAGUE, "wrong", attempts=limiter)
        with refused("wrong-password"):
            vault.change_password("wrong", "another password", random=os.urandom, kdf=CHEAP, attempts=limiter)
    with refused("too-soon"):
        vault.keys_of(COLLEAGUE, THEIRS, attempts=limiter)
    with refused("too-soon"):
        vault.change_password(PASSWORD, "another password", random=os.urandom, kdf=CHEAP, attempts=limiter)
    vault.lock()
    assert enter(folder, limiter, PASSWORD)[0] == "too-soon"


def test_keys_without_the_vault_are_counted_too(folder: Path, limiter: Attempts, tmp_path: Path) -> None:
    """A backup holds the same slots: guessing there is guessing here."""
    shutil.copytree(folder, tmp_path / "backup")
    for _ in range(5):
        with refused("wrong-password"):
            limiter.unlock(tmp_path / "backup", STAFF, "wrong")
    with refused("too-soon"):
        limiter.unlock(folder, STAFF, PASSWORD)
    keys = limiter.unlock(folder, COLLEAGUE, THEIRS)
    assert keys.person.staff == COLLEAGUE


def test_two_copies_of_the_program_are_judged_one_after_the_other(folder: Path, limiter: Attempts) -> None:
    second = Attempts(home=limiter.home, clock_ms=limiter.clock_ms, boot=limiter.boot)
    inside, leave = threading.Event(), threading.Event()
    seen: list[tuple[str, int]] = []

    def first() -> None:
        with refused("wrong-password"), limiter.counting(folder, STAFF):
            inside.set()
            leave.wait(10)
            raise VaultProblem("wrong-password")

    def other() -> None:
        seen.extend(enter(folder, second) for _ in range(4))

    threads = [threading.Thread(target=first), threading.Thread(target=other)]
    threads[0].start()
    inside.wait(10)
    threads[1].start()
    assert seen == []
    leave.set()
    for thread in threads:
        thread.join()
    assert [seconds for _, seconds in seen] == [0, 0, 0, 30]


def full(folder: Path, limiter: Attempts) -> None:
    """No record can be written any more: folders stand where they are made."""
    for record in limiter.places(folder, STAFF):
        record.with_name(record.name + ".tmp").mkdir(parents=True)


def test_a_full_disk_gives_no_free_try_and_keeps_nobody_out(folder: Path, limiter: Attempts, clock: Clock) -> None:
    full(folder, limiter)
    for _ in range(3):  # three starts of the program
        fresh = Attempts(home=limiter.home, clock_ms=clock.now, boot=clock.boot)
        assert enter(folder, fresh) == ("too-soon", 30)
        clock.ms += 30_000
        assert enter(folder, fresh) == ("wrong-password", 60)
        assert enter(folder, fresh) == ("too-soon", 60)
    clock.ms += 60_000
    assert enter(folder, fresh, PASSWORD)[0] == "opened"
    assert enter(folder, fresh) == ("wrong-password", 0)  # this process knows that the owner was there
    again = Attempts(home=limiter.home, clock_ms=clock.now, boot=clock.boot)
    assert enter(folder, again, PASSWORD) == ("too-soon", 30)
    clock.ms += 30_000
    assert enter(folder, again, PASSWORD)[0] == "opened"


def test_one_place_that_takes_records_is_enough(folder: Path, limiter: Attempts) -> None:
    record = limiter.places(folder, STAFF)[0]
    record.with_name(record.name + ".tmp").mkdir(parents=True)
    assert [enter(folder, limiter)[1] for _ in range(5)] == [0, 0, 0, 0, 30]
    assert enter(folder, limiter)[0] == "too-soon"


def test_the_machine_s_own_clock_runs_and_its_start_has_a_name() -> None:
    first, again = attempts.running_ms(), attempts.running_ms()
    assert 0 < first <= again
    assert attempts.boot_id() == attempts.boot_id()
