"""G2: the power goes at any moment of a laptop's work; the vault is opened again and held to its word.

A round is one traced run of all works (`recording`): an ordinary day, an import that is larger than the cache, photos,
a newer schema, people and passwords, keys renewed, a forgotten password, a vault that was cut off before, backups, a
vault being made. A case is one state of the disk that a power cut at one moment of one work could have left by the
model of `replay`, which says what it leaves out: all, none, a prefix, any subset, or any sectors of what no sync
covers, names before data and data before names. It is laid into a folder and opened as the program opens a vault.
Whatever was acknowledged before that moment must be there.

On a real laptop a disk may lie about a sync; no program can help that, and none of this shows it.
"""

from __future__ import annotations

import random as chance
from collections import Counter
from functools import lru_cache
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from app.errors import HudangError
from tests.faults import frame, recording, replay, saving
from tests.faults.recording import Round
from tests.faults.replay import Told
from tests.faults.saving import Promised

NAME = "powercut"
TITLE = "power cut at any moment of a work: no acknowledged save lost, nothing half there, the vault opens"
CI = 2_000
RELEASE = 100_000
DRIVES = (
    "app/vault",
    "app/ledger",
    "app/models/fields.py",
    "app/models/records",
    "app/models/store.py",
    "app/models/tables.py",
    "app/sync/journal.py",
)

ROUND = 2_000  # states of one traced run
WEAK = ("sync-off", "wal-normal", "names-unsynced", "files-unsynced")
TRIES = 150


def unable() -> str:
    """Why nothing can be traced here."""
    return recording.forbidden()


def case(number: int, folder: Path, recipe: str = "") -> str:
    """One state."""
    dice = chance.Random(number)
    seed, place = divmod(number, ROUND)
    recorded = _recorded(seed, recipe)
    names = sorted(recorded.works)
    name = names[place % len(names)]
    how = replay.HOW[place // len(names) % len(replay.HOW)]
    work = recorded.works[name]
    point = dice.randrange(len(work.operations) + 1)
    promised = Promised(done=dict(recorded.facts[name]))
    for operation in work.operations[1:point]:
        if isinstance(operation, Told):
            promised.hear(operation.line)
    replay.cut(work, point, how, dice).lay(folder, work.top)
    try:
        with saving.quickened(), saving.recipe(recipe):
            return saving.inspect(folder / recorded.places[name], promised, thorough=number % 32 == 0)
    except Exception as problem:
        problem.add_note(f"{name}, after operation {point} of {len(work.operations)}, {how}")
        raise


def lowered() -> str:
    """The same with weaker settings of the database, or without syncs of the other files, must lose something."""
    seen = []
    for recipe in WEAK:
        found = failures(recipe, TRIES)
        assert found, f"{recipe}: no state lost anything"
        told = ", ".join(f"{word} {count}" for word, count in found.most_common())
        seen.append(f"{recipe}: {found.total()} of {TRIES} states ({told})")
    return "; ".join(seen)


def failures(recipe: str, states: int, first: int = 0) -> Counter[str]:
    """How many states of a recipe break a promise, and which."""
    found = Counter[str]()
    for number in range(first, first + states):
        with frame.empty_folder() as folder:
            try:
                case(number, folder, recipe)
            except (HudangError, SQLAlchemyError):
                found["unreadable"] += 1
            except AssertionError as problem:
                found["lost" if "lost" in str(problem) else "half there"] += 1
    return found


@lru_cache(maxsize=2)
def _recorded(seed: int, recipe: str) -> Round:
    with frame.empty_folder() as folder, saving.quickened():
        return recording.record(folder, seed, recipe)
