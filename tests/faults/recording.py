"""What the power is cut from: works of a laptop, done by a process whose system calls are traced.

Every work has a folder of its own and begins with the same small vault. `record` runs them all in one traced process, a
round; `python -m tests.faults.recording <folder> <told> <seed> <recipe>` is that process. It must be one thread, or the
order of its calls would be unknown; so photos come as bytes.
"""

from __future__ import annotations

import os
import random as chance
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app.errors import HudangError
from app.models.store import Transaction
from app.sync import journal
from app.vault import backups, disk, kept, recovery
from app.vault.vault import Vault
from tests.faults import frame, replay, saving
from tests.faults.replay import Disk, Recording
from tests.faults.saving import BACKUPS, CHEAP, MINE, NOW, PASSWORD, TOLD, VAULT, Saver, Tell, line

TRACER = ("strace", "-f", "-qq", "--seccomp-bpf", "-xx", "-s", "100000000")
BEGINS = b"begin "
CREATED = f"home/{VAULT}"  # where nothing is yet
CUT_OFF = "cut"
NEW_PASSWORD = "云台 下坝"
COLLEAGUE = b"\x22" * 16
Work = Callable[[Path, chance.Random, Tell], None]


def begun(folder: Path, dice: chance.Random, tell: Tell) -> Saver:
    """Somebody opens the vault."""
    return Saver(saving.unlock(folder / VAULT), dice, tell)


def saves(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """An ordinary day: saves, a lock, saves again."""
    for _ in range(2):
        saver = begun(folder, dice, tell)
        for _ in range(5):
            saver.step()
        saver.vault.lock()


def imported(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """Many households in one transaction, with so small a cache that pages go to the file before the commit."""
    saver = begun(folder, dice, tell)
    with saver.vault.reading() as tx:
        tx.exec_driver_sql("PRAGMA cache_size = -160")
    saver.open_household(12)
    saver.edit()
    saver.vault.lock()


def photos(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """Visits with photos."""
    saver = begun(folder, dice, tell)
    for _ in range(3):
        saver.visit()
    saver.vault.lock()


def schema(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """A newer program brings the tables to its version."""
    saver = begun(folder, dice, tell)
    steps = kept.STEPS
    kept.STEPS = (
        *steps,
        (
            "ALTER TABLE draft ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0",
            "CREATE INDEX draft_staff ON draft (staff)",
            "CREATE TABLE draft_trail (id BLOB PRIMARY KEY, saved_at INTEGER NOT NULL)",
            "INSERT INTO draft_trail SELECT id, saved_at FROM draft",
        ),
    )
    try:
        saver.draft()
        with saver.saving() as tx:
            kept.prepare(tx)
        saver.edit()
        saver.vault.lock()
    finally:
        kept.STEPS = steps


def people(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """A colleague gets a slot, a password is changed, the colleague leaves and all keys are renewed; saves between."""
    saver = begun(folder, dice, tell)
    vault, mine, both = saver.vault, [MINE.hex()], [MINE.hex(), COLLEAGUE.hex()]
    with told(saver, people=both):
        vault.add_person(staff=COLLEAGUE, label="覃试二", password="二人 同心", random=dice.randbytes, kdf=CHEAP)
    saver.draft()
    with told(saver, password=NEW_PASSWORD):
        vault.change_password(PASSWORD, NEW_PASSWORD, random=dice.randbytes, kdf=CHEAP)
    saver.edit()
    with told(saver, people=mine):
        saving.finish(vault.remove_person(COLLEAGUE, random=dice.randbytes))
    saver.edit()
    vault.lock()


def renewed(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """All keys are renewed after a password became known."""
    saver = begun(folder, dice, tell)
    saver.edit()
    saving.finish(saver.vault.renew_keys(random=dice.randbytes))
    saver.visit()
    saver.vault.lock()


def backed_up(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """Two backups, saves between."""
    saver = begun(folder, dice, tell)
    for number in 1, 2:
        saver.visit()
        with told(saver, backups=list(range(1, number + 1))):
            saving.finish(backups.make(saver.vault, folder / BACKUPS, now_ms=NOW))
    saver.vault.lock()


def recovered(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """A password was forgotten: the county helps, a new chain goes on. The request is kept until that is done."""
    saver = begun(folder, dice, tell)
    saver.edit()
    saver.tell("about", request=saving.UNKNOWN)
    request = recovery.begin(folder / VAULT, MINE, NEW_PASSWORD, random=dice.randbytes, kdf=CHEAP)
    saver.tell("done", request=request.encode().hex())
    saver.visit()
    saver.vault.lock()
    answer = recovery.answer(request, saving.COUNTY_PRIVATE, (dice.randbytes(300), dice.randbytes(64), b"\x80"))
    with told(saver, password=NEW_PASSWORD):
        recovery.finish(folder / VAULT, NEW_PASSWORD, answer, random=dice.randbytes, kdf=CHEAP)
    vault = saving.unlock(folder / VAULT, NEW_PASSWORD)
    saving.begin(vault, dice, tell)
    saver = Saver(vault, dice, tell)
    with told(saver, request=""):
        recovery.close(folder / VAULT, MINE)
    saver.edit()
    vault.lock()


def reopened(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """A vault that was cut off in a transaction is opened, walked and folded anew; the power may go then too. It is a
    copy of one whose pages have gone to the file before the commit."""

    def take_a_copy(said: bytes) -> None:
        if b"about" in said:
            for path in sorted((folder / VAULT).rglob("*")):
                target = folder / "staged" / path.relative_to(folder / VAULT)
                disk.make_folder(target) if path.is_dir() else disk.write_whole(target, path.read_bytes())
            tell(line("about", **facts))
            (folder / "staged").rename(folder / CUT_OFF)
            disk.sync_folder(folder)
            raise NeverSavedError

    saver = begun(folder, dice, take_a_copy)
    with saver.vault.reading() as tx:
        facts = {"vault": True, "people": [MINE.hex()], "password": PASSWORD, "tables": saving.state(tx)}
        facts |= saving.NOTHING
        tx.exec_driver_sql("PRAGMA cache_size = -160")
    with suppress(NeverSavedError):
        saver.open_household(12)
    saver.vault.lock()
    tell(line("done", **facts))
    vault = Vault.unlock(folder / CUT_OFF, MINE, PASSWORD)
    assert vault.opened_hot
    saving.finish(journal.recheck(vault))
    Saver(vault, dice, tell).edit()
    vault.lock()


class NeverSavedError(Exception):
    """Raised where a transaction shall not come to its end."""


@contextmanager
def told(saver: Saver, **facts: Any) -> Iterator[None]:
    """The block makes the facts hold."""
    saver.tell("about", **facts)
    yield
    saver.tell("done", **facts)


def created(folder: Path, dice: chance.Random, tell: Tell) -> None:
    """A vault is made, and the first chain in it."""
    facts: dict[str, Any] = {"vault": True, "people": [MINE.hex()], "password": PASSWORD, **saving.NOTHING}

    def prepare(tx: Transaction) -> None:
        kept.prepare(tx)
        facts["tables"] = saving.state(tx)
        tell(line("about", **facts))

    vault = saving.create(folder / CREATED, dice, prepare)
    tell(line("done", **facts))
    saving.begin(vault, dice, tell)
    Saver(vault, dice, tell).open_household()
    vault.lock()


_ALL = (saves, imported, photos, schema, people, renewed, recovered, reopened, backed_up, created)
WORKS: dict[str, Work] = {work.__name__: work for work in _ALL}


# --- recording ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What all works did, what held before each, and where in its folder the vault is."""

    works: dict[str, Recording]
    facts: dict[str, dict[str, Any]]
    places: dict[str, str]


def record(folder: Path, seed: int, recipe: str = "") -> Round:
    """All works once in the empty `folder`, traced, in vaults opened by a recipe; the folder is emptied."""
    watched, said, trace = folder / "disk", folder / TOLD, folder / "trace"
    with saving.recipe(recipe):
        before = saving.build(folder / VAULT, chance.Random(1))
    facts = dict.fromkeys(WORKS, before) | {work.__name__: {"vault": False} for work in (created, reopened)}
    for name in WORKS:
        (watched / name).mkdir(parents=True)
        if name != created.__name__:
            shutil.copytree(folder / VAULT, watched / name / VAULT)
    copy = Disk.of(watched)
    program = [sys.executable, "-m", "tests.faults.recording", str(watched), str(said), str(seed), recipe]
    traced = [*TRACER, "-e", f"trace={replay.CALLS}", "-o", str(trace), *program]
    run = subprocess.run(traced, cwd=frame.ROOT, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(run.stderr[-3000:])  # no promise is broken by it: nothing was recorded
    with trace.open(encoding="ascii") as lines:
        works = replay.sections(copy, replay.parse(lines, copy, watched, said), opens=BEGINS)
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert set(works) == set(WORKS)
    places = dict.fromkeys(WORKS, VAULT) | {created.__name__: CREATED, reopened.__name__: CUT_OFF}
    return Round(works=works, facts=facts, places=places)


def forbidden() -> str:
    """Why this system lets nobody trace; empty when it does. A tracer that is missing is an error: setup brings it."""
    if shutil.which("strace") is None:
        raise FileNotFoundError("strace is missing; scripts/setup installs it")
    run = subprocess.run(["strace", "-qq", "-e", "trace=none", "true"], capture_output=True, text=True)
    return "" if run.returncode == 0 else f"this system forbids tracing ({run.stderr.strip()[-100:]})"


def main() -> None:
    watched, seed, recipe = Path(sys.argv[1]), int(sys.argv[3]), sys.argv[4]
    said = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with saving.recipe(recipe):
        for number, (name, work) in enumerate(WORKS.items()):
            os.write(said, BEGINS + name.encode() + b"\n")
            # By a worse recipe a work may not come to its end; what it told until then stands.
            with suppress(HudangError) if recipe else nullcontext():
                work(watched / name, chance.Random(f"{seed} {number}"), partial(os.write, said))


if __name__ == "__main__":
    main()
