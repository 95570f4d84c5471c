"""The figures behind docs/decisions/0019: `python -m tests.faults.journal_modes [states] [flips]` prints a table.

For each way to keep a commit: power-cut states that broke a promise (as `powercut` counts); one flipped bit in what a
crash leaves beside the database (`-journal` or `-wal`), and whether the next opening told it, put everything right all
the same, or lost an acknowledged save without a word; how many of all points between two system calls leave such a
file with something in it; and what a commit costs on the disk of this machine, beside a bare write with a sync.
"""

from __future__ import annotations

import os
import random as chance
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.errors import HudangError
from app.vault import kept
from tests.faults import frame, powercut, replay, saving
from tests.faults.replay import Told
from tests.faults.saving import VAULT, Promised

RECIPES = ("", "delete-full", "wal-full", "wal-normal", "sync-off")
WORK = "saves"
COMMITS = 150


def at_risk(recipe: str, dice: chance.Random, folder: Path) -> tuple[Promised, Path | None]:
    """What a crash at a random moment leaves in `folder`, all of it on the disk; the file beside the database that the
    next opening will read, None when there is none."""
    recorded = powercut._recorded(0, recipe)
    work = recorded.works[WORK]
    point = dice.randrange(len(work.operations) + 1)
    promised = Promised(done=dict(recorded.facts[WORK]))
    for operation in work.operations[1:point]:
        if isinstance(operation, Told):
            promised.hear(operation.line)
    replay.cut(work, point, "all", dice).lay(folder, work.top)
    for name in "vault.db-journal", "vault.db-wal":
        path = folder / VAULT / name
        if path.exists() and path.read_bytes()[:1] not in (b"", b"\0"):
            return promised, path
    return promised, None


def flips(recipe: str, count: int) -> tuple[Counter[str], float]:
    """One bit flipped in each of `count` such files: how it ended; the share of crash points that leave one."""
    ended, moments, dice = Counter[str](), 0, chance.Random(19)
    while ended.total() < count:
        moments += 1
        with frame.empty_folder() as folder:
            promised, path = at_risk(recipe, dice, folder)
            if path is None:
                continue
            data = bytearray(path.read_bytes())
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            path.write_bytes(data)
            try:
                with saving.quickened(), saving.recipe(recipe):
                    saving.inspect(folder / VAULT, promised, thorough=False)
                ended["right"] += 1
            except (HudangError, SQLAlchemyError):
                ended["told"] += 1
            except AssertionError:
                ended["silent"] += 1
    return ended, ended.total() / moments


def cost_ms(recipe: str) -> float:
    """Median of a commit of one small row on the disk of this machine."""
    with tempfile.TemporaryDirectory() as folder, saving.recipe(recipe):
        saving.build(Path(folder) / VAULT, chance.Random(1))
        vault = saving.unlock(Path(folder) / VAULT)
        taken = []
        for number in range(COMMITS):
            with vault.transaction() as tx:
                kept.put_setting(tx, "number", number)
                began = time.perf_counter()  # what is left is the commit
            taken.append((time.perf_counter() - began) * 1000)
        vault.lock()
    return statistics.median(taken)


def bare_ms() -> float:
    """Median of 4 KiB written and synced."""
    with tempfile.TemporaryFile() as file:
        taken = []
        for _ in range(COMMITS):
            began = time.perf_counter()
            os.pwrite(file.fileno(), os.urandom(4096), 0)
            os.fsync(file.fileno())
            taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def say(line: str) -> None:
    """A line of the table."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    states, count = (int(text) for text in (*sys.argv[1:], "700", "600")[:2])
    say("| Recipe | States broken | Crash points with a file at risk | Flips there: told, right, silent | Commit |")
    say("| --- | ---: | ---: | ---: | ---: |")
    for recipe in RECIPES:
        lost = powercut.failures(recipe, states).total()
        ended, share = flips(recipe, count)
        flipped = ", ".join(str(ended[word]) for word in ("told", "right", "silent"))
        name = recipe or "delete-extra"
        say(f"| {name} | {lost:,} of {states:,} | {share:.0%} | {flipped} | {cost_ms(recipe):.2f} ms |")
    say(f"\nA bare write of 4 KiB with a sync: {bare_ms():.2f} ms.")


if __name__ == "__main__":
    main()
