"""G1: the program is killed while it saves (SIGKILL), the vault is opened again and held to its word.

A case is one vault and one kill of a process that saves without a pause: at a random moment, or, in every second case,
within a millisecond of the beginning of a commit. Every fourth time a second kill follows while the vault is being
opened again, walked and folded. What the killed process acknowledged must be there, the save that was running must be
there whole or not at all, the chain must hold, both integrity checks must pass; every eighth time the log is folded
anew and compared, and the vault is saved to and opened once more.

The number of a case decides what is saved and when the kill comes, but not at which instruction it hits: the same
number is a similar case, not the same. A kill loses nothing that was handed to the system: wrong settings for
durability show in `powercut`, not here.

`python -m tests.faults.kills` is the process that forks the victims, because a fork is thirty times cheaper than a
start of Python. A line "<folder> <seed> <how>" on stdin starts one; the answers are its process id and, when it is
gone, how it ended.
"""

from __future__ import annotations

import atexit
import os
import random as chance
import shutil
import signal
import subprocess
import sys
import time
import traceback
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from sqlalchemy.exc import SQLAlchemyError

from app.errors import HudangError
from tests.faults import frame, saving
from tests.faults.saving import TOLD, VAULT, Promised, Saver

NAME = "kills"
TITLE = "killed while saving: no acknowledged save lost, nothing half saved, chain and file whole"
CI = 100
RELEASE = 10_000
DRIVES = (
    "app/vault",
    "app/ledger",
    "app/models/fields.py",
    "app/models/records",
    "app/models/store.py",
    "app/models/tables.py",
    "app/sync/journal.py",
)

LATEST_S = 0.2  # a kill comes within this time after the fork; opening takes a fifth of it
SOON_S = 0.04
COMMIT_S = 0.001
HASTY = "hasty"
TRIES = 15


def case(number: int, folder: Path) -> str:
    """One kill, or two."""
    dice = chance.Random(number)
    promised = _begin(folder)
    if number % 2:
        _saver().kill(folder, dice.randrange(2**32), dice.uniform(0, COMMIT_S), commit=dice.randrange(1, 9))
    else:
        _saver().kill(folder, dice.randrange(2**32), dice.uniform(0.01, LATEST_S))
    if number % 4 == 3:
        _saver().kill(folder, dice.randrange(2**32), dice.uniform(0, SOON_S))
    promised.hear_all((folder / TOLD).read_bytes())
    return saving.inspect(folder / VAULT, promised, thorough=number % 8 == 0)


def lowered() -> str:
    """Two programs that lose saves when they are killed: one answers too soon, one has no journal."""
    counts = {}
    for how in HASTY, "no-journal":
        lost = 0
        for number in range(TRIES):
            dice = chance.Random(number)
            with frame.empty_folder() as folder:
                promised = _begin(folder)
                _saver().kill(folder, dice.randrange(2**32), dice.uniform(0, SOON_S), how, commit=dice.randrange(1, 5))
                told = (folder / TOLD).read_bytes()
                try:
                    promised.hear_all(told.replace(b'"about"', b'"done"') if how == HASTY else told)
                    saving.inspect(folder / VAULT, promised, thorough=False)
                except (AssertionError, HudangError, SQLAlchemyError):
                    lost += 1
        assert lost, f"{how}: nothing was noticed"
        counts[how] = lost
    return (
        f"of {TRIES} kills each: acknowledged before a slow commit, {counts[HASTY]} lost a save; "
        f"journal_mode=OFF, {counts['no-journal']} lost or half saved one"
    )


def _begin(folder: Path) -> Promised:
    """A copy of the vault in `folder`, what holds in it."""
    source, facts = _template()
    shutil.copytree(source, folder / VAULT)
    return Promised(done=dict(facts))


@cache
def _template() -> tuple[Path, dict[str, Any]]:
    folder = frame.lasting_folder() / VAULT
    return folder, saving.build(folder, chance.Random(1))


# --- the process that forks savers ----------------------------------------------------------------------------


class Forker:
    """The process below, from outside."""

    def __init__(self) -> None:
        program = [sys.executable, "-m", "tests.faults.kills"]
        self._process = subprocess.Popen(
            program, cwd=frame.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self._process.kill)

    def kill(self, folder: Path, seed: int, after_s: float, how: str = "", *, commit: int = 0) -> None:
        """Start a saver in `folder`, kill it after that time, counted from the beginning of its `commit`th commit where
        that is given, and wait until it is gone."""
        victim = int(self._ask(f"{folder} {seed} {how}"))
        if commit:
            told, patience = folder / TOLD, time.monotonic() + 60
            while not told.exists() or told.read_bytes().count(b'"about"') < commit:
                assert time.monotonic() < patience, "the saver does not save"
                time.sleep(0.0005)
        end = time.perf_counter() + after_s
        time.sleep(max(after_s - 0.002, 0))
        while time.perf_counter() < end:
            pass
        os.kill(victim, signal.SIGKILL)
        ended = int(self._answer())
        assert ended == -signal.SIGKILL, f"the saver ended by itself: {ended}"

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@cache
def _saver() -> Forker:
    return Forker()


def save_for_ever(folder: Path, seed: int, how: str) -> NoReturn:
    """Open the vault in `folder` and save until killed; `told` in the same folder takes what is told."""
    told = os.open(folder / TOLD, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def tell(line: bytes) -> None:
        os.write(told, line)
        if how == HASTY and b"about" in line:
            time.sleep(2 * SOON_S)

    with saving.recipe("" if how == HASTY else how):
        vault = saving.unlock(folder / VAULT)
    saver = Saver(vault, chance.Random(seed), tell)
    with vault.reading() as tx:
        saver.tell("found", tables=saving.state(tx))
    while True:
        saver.step()


def main() -> None:
    for line in sys.stdin:
        folder, seed, how = line.rstrip("\n").split(" ")
        process = os.fork()
        if not process:
            try:
                save_for_ever(Path(folder), int(seed), how)
            finally:
                traceback.print_exc()
                os._exit(1)
        sys.stdout.write(f"{process}\n")
        sys.stdout.flush()
        status = os.waitpid(process, 0)[1]
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
