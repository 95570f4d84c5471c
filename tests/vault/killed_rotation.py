"""A program that removes a person from a vault and is killed at each step on its disk, one step further each time.

Arguments: a folder with a vault of two people as `test_rotation` makes it, an empty folder, how many steps lie between
two kills, and how many kills at random moments follow. Steps are the calls by which files are opened, renamed, removed
and synced; the writes of the database engine lie between them and are hit by the random ones. For each kill a copy
of the vault is taken. Exit code 0 and one line of JSON when each opened afterwards, whole, with the old keys or with
the new ones, and nothing of both was left over.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from app.errors import VaultProblem
from app.vault import slots
from app.vault.vault import Vault
from tests.vault.conftest import COLLEAGUE, PASSWORD, STAFF, read_notes, write_notes
from tests.vault.rotation import THEIRS, left_over

NOTES = 400
STEPS = ("open", "os.rename", "os.remove", "os.fsync")


def remove(vault: Vault) -> None:
    """Run the removal to its end."""
    for _ in vault.remove_person(COLLEAGUE, random=os.urandom):
        pass


def die_at(step: int, folder: Path) -> Callable[[], int]:
    """From now on the process dies at the given step on files below `folder`, counted from 0; the steps so far."""
    done = 0

    def count() -> None:
        nonlocal done
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    def heard(name: str, arguments: tuple[object, ...]) -> None:
        if name in STEPS and str(folder) in str(arguments[0]):
            count()

    sync = os.fsync

    def fsync(handle: int) -> None:
        count()
        sync(handle)

    sys.addaudithook(heard)
    setattr(os, "fsync", fsync)  # noqa: B010  it has no audit event; the child ends here
    return lambda: done


def killed(folder: Path, step: int | None, after_s: float) -> bool:
    """One removal in a child that is killed at `step`, or after so many seconds; whether it was."""
    child = os.fork()
    if not child:
        code = 1
        try:
            vault = Vault.unlock(folder, STAFF, PASSWORD)
            if step is not None:
                die_at(step, folder)
            else:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, after_s)
            remove(vault)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        sys.exit("the removal itself failed")
    return os.WIFSIGNALED(status)


def inspect(folder: Path, notes: list[str]) -> str:
    """How the vault opens after the kill: "old" or "new"; ends the program when a promise is broken."""
    vault = Vault.unlock(folder, STAFF, PASSWORD)
    if vault.opened_hot:  # killed before its first write: no journal lies there
        vault.recovered()
    if read_notes(vault) != notes:
        sys.exit("the content is not what it was")
    write_notes(vault, ["after"])
    vault.lock()
    people = [person.staff for person in slots.people(folder)]
    epoch = slots.epoch(folder)
    if (people, epoch) not in (([STAFF, COLLEAGUE], 1), ([STAFF], 2)):
        sys.exit("neither the old keys nor the new")
    if left_over(folder):
        sys.exit(f"left over: {left_over(folder)}")
    try:
        Vault.unlock(folder, COLLEAGUE, THEIRS).lock()
        came_in = True
    except VaultProblem as problem:
        came_in = problem.code != "no-slot"
    if came_in != (epoch == 1):
        sys.exit("the removed person")
    vault = Vault.unlock(folder, STAFF, PASSWORD)
    if epoch == 1:
        remove(vault)
    if read_notes(vault) != [*notes, "after"]:
        sys.exit("what was saved after the kill is lost")
    vault.lock()
    return "old" if epoch == 1 else "new"


def main() -> int:
    made, place, stride, moments = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    vault = Vault.unlock(made, STAFF, PASSWORD)
    write_notes(vault, [f"{n} " + "x" * 3000 for n in range(NOTES)])
    notes = read_notes(vault)
    vault.lock()
    outcomes: Counter[str] = Counter()
    folder = place / "vault"

    def one(step: int | None, after_s: float = 0) -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder)
        was = killed(folder, step, after_s)
        outcomes[inspect(folder, notes) if was else "ended"] += 1
        return was

    step = 0
    while one(step):
        step += stride
    begun = time.perf_counter()
    one(None, 60)
    whole = time.perf_counter() - begun
    for _ in range(moments):
        one(None, random.uniform(0.001, whole))
    sys.stdout.write(json.dumps({"steps": step, **outcomes}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
