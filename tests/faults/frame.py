"""What every fault harness is, how its cases run, where results are kept, what the report says.

A harness is a module of this folder with

    NAME: str         one word, also the name of its results: build/faults/<name>.jsonl
    TITLE: str        what is promised, one English line for the report
    CI: int           cases of `make test`
    RELEASE: int      cases of `make faults`
    case(number: int, folder: Path) -> str
                      does case `number` in the empty `folder`; one short word for what happened ("kept",
                      "restored", "told"); AssertionError when a promise is broken. The number is the seed.
    lowered() -> str  lowers a protection on purpose, sees the harness fail, and says in one English line what
                      it saw; AssertionError when nothing failed
    unable() -> str   (may be absent) why it cannot run on this machine, empty when it can
    DRIVES: tuple[str, ...]  (may be absent) folders and modules of the program that it drives; else all

Rules: folders lie outside the repository, in memory where there is such a place, and are removed; those of runs that
were killed are removed by the next run. What many cases share is made once in a process, in `lasting_folder`. A
finished slice of cases is one line of the results; whatever is killed loses at most the slice that ran.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Protocol, cast

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "build" / "faults"
FAILED = "failed.txt"
SLICE_S = 20.0  # a slice ends with the first case after it
BLOCK = 100  # cases that stay with one worker, because neighbours may share what was made for them
_MEMORY = Path("/dev/shm")
_PREFIX = "hudang-faults-"


class Harness(Protocol):
    """A module of this folder, as the head of this one describes it."""

    NAME: str
    TITLE: str
    CI: int
    RELEASE: int

    def case(self, number: int, folder: Path) -> str: ...

    def lowered(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Cases `start` up to before `end` that were done: how they ended, seconds, on which code and commit, when."""

    start: int
    end: int
    outcomes: dict[str, int]
    seconds: float
    code: str
    commit: str
    date: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A promise that did not hold: the harness, the number of the case, what was seen."""

    name: str
    number: int
    seen: str


# --- which harnesses there are --------------------------------------------------------------------------------


def harnesses() -> dict[str, Harness]:
    """All modules here that are harnesses, by name."""
    found: dict[str, Harness] = {}
    for path in sorted(Path(__file__).parent.glob("[a-z]*.py")):
        if path.stem.startswith("test_") or "\nNAME" not in path.read_text(encoding="utf-8"):
            continue
        module = cast(Harness, importlib.import_module(f"tests.faults.{path.stem}"))
        found[module.NAME] = module
    return found


def why_not(harness: Harness) -> str:
    """Why a harness cannot run on this machine; empty when it can."""
    ask = cast(Callable[[], str], getattr(harness, "unable", str))
    return ask()


# --- folders --------------------------------------------------------------------------------------------------


def _place() -> Path:
    return _MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir())


def _new_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_place()))


@contextmanager
def empty_folder() -> Iterator[Path]:
    """A folder for one case, removed in the end."""
    folder = _new_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def lasting_folder() -> Path:
    """A folder that lasts as long as this process."""
    folder, owner = _new_folder(), os.getpid()

    def leave() -> None:
        if os.getpid() == owner:  # a forked child has its parent's duties at exit too
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(leave)
    return folder


def clear_leftovers() -> None:
    """Remove folders of processes that are gone."""
    for folder in _place().glob(_PREFIX + "*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- cases ----------------------------------------------------------------------------------------------------


def do_case(harness: Harness, number: int) -> str:
    """Case `number` in a folder of its own; whatever it raises names the case."""
    with empty_folder() as folder:
        try:
            return harness.case(number, folder)
        except Exception as problem:
            problem.add_note(f"{harness.NAME}: case {number}")
            raise


def do_ci_cases(harness: Harness) -> Counter[str]:
    """The cases of `make test`, how they ended."""
    outcomes = Counter(do_case(harness, number) for number in range(harness.CI))
    assert outcomes.total() == harness.CI
    return outcomes


def do_ci_cases_apart(harness: Harness) -> Counter[str]:
    """The same in a process of its own: for a harness that is slow where shielded memory is on, which stays on."""
    program = [sys.executable, "-m", "tests.faults", harness.NAME, "--ci"]
    ran = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-4000:]
    outcomes = Counter[str](json.loads(ran.stdout))
    assert outcomes.total() == harness.CI
    return outcomes


# --- results --------------------------------------------------------------------------------------------------


def code(harness: Harness) -> str:
    """Short digest of the parts of the program that a harness drives, as they lie in the work tree: what its results
    are about."""
    return _digest(cast("tuple[str, ...]", getattr(harness, "DRIVES", ("app", "county"))))


@cache
def _digest(parts: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    paths = [
        path for part in parts for path in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))
    ]
    for path in sorted(paths):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def commit() -> str:
    """Short id of the commit checked out, with a plus where the program's code differs from it."""
    try:
        run = ["git", "-C", str(ROOT)]
        head = subprocess.run([*run, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*run, "diff", "--quiet", "HEAD", "--", "app", "county"], capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if changed.returncode else "")


def today() -> str:
    """Date and minute in UTC."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime())


def keep(name: str, done: Slice) -> None:
    """Add a line to the results; one write, so that several workers may."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    line = json.dumps(asdict(done), separators=(",", ":")) + "\n"
    handle = os.open(RESULTS / f"{name}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)


def results(name: str) -> list[Slice]:
    """All finished slices of a harness, oldest first; a line that a kill cut short is none."""
    try:
        lines = (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    kept = []
    for line in lines:
        try:
            kept.append(Slice(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return kept


def numbers_done(slices: list[Slice]) -> set[int]:
    """The cases in them."""
    return {number for done in slices for number in range(done.start, done.end)}


def broken() -> list[Broken]:
    """Promises that did not hold and were not tried again since with success."""
    try:
        lines = (RESULTS / FAILED).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [Broken(name=name, number=int(number), seen=seen) for name, number, seen in map(_parts, lines)]


def _parts(line: str) -> list[str]:
    return line.split("\t", 2)


@contextmanager
def only_one(name: str) -> Iterator[bool]:
    """Whether this is the only run of a harness; two would do the same cases."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def note_broken(found: Broken) -> None:
    """Keep the number of a case that broke a promise."""
    _write_broken([*(old for old in broken() if (old.name, old.number) != (found.name, found.number)), found])


def forget_broken(name: str, numbers: set[int]) -> None:
    """These hold now."""
    old = broken()
    left = [each for each in old if each.name != name or each.number not in numbers]
    if left != old:
        _write_broken(left)


def _write_broken(found: list[Broken]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    lines = [f"{each.name}\t{each.number}\t{' '.join(each.seen.split())}\n" for each in found]
    (RESULTS / FAILED).write_text("".join(lines), encoding="utf-8")
