"""Memory after locking: the process that held the secrets is gone, and the fresh one at the door has none of them (G8).

A cycle is the whole program on a screen of its own (Qt without a display): it starts at the door, the password is typed
letter by letter, the vault opens, lists are read, it is locked. Then all processes of that program are searched through
/proc/<pid>/mem, in everything they can write: for the password in the spellings of Python and Qt, the vault key, the
database key as bytes and as the hexadecimal text that SQLCipher is given, the seeds and the private key of the person.
That the search finds what is there is shown each time by the person's name, which stands on the card at the door.

The program makes its memory unreadable for others of the same user, so this runs as root. The needles are never given
to a searched process: only the password is, through a pipe, to the one that has to end.
How many copies a process still has after `Vault.lock()` alone is measured by `lowered` and promised by nobody.
"""

from __future__ import annotations

import os
import random as chance
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from app import config
from app.sync import enrolment
from app.vault import slots
from tests.county_simulator import SimulatedCounty, serving
from tests.faults.frame import ROOT, empty_folder, lasting_folder
from tests.faults.locking import LOCK, PATIENCE_S, STAY
from tests.sync.laptops import CHEAP, clock, finished

NAME = "memory"
TITLE = "G8: after locking no copy of a key or of the password in any process"
CI = 10
RELEASE = 200

PASSWORD = "Quiet-Harbour-77-lanterns-over-Yun"
PERSON = "吴秀英"
_CHUNK = 16 * 1024 * 1024

Needles = dict[str, bytes]


def unable() -> str:
    """Why this cannot run here."""
    if sys.platform != "linux":
        return "only Linux shows the memory of a process as a file"
    return "" if os.geteuid() == 0 else "the program hides its memory from others of the same user; root is needed"


@cache
def _template() -> Path:
    """The program's folder with one workplace, made once in a process."""
    home = lasting_folder() / "home"
    county = SimulatedCounty()
    with serving(county) as base:
        invited = enrolment.look(county.invite(base), random=os.urandom, clock=clock)
        folder = config.new_workplace(home, bytes(16))
        folder.parent.mkdir(parents=True)
        steps = enrolment.enrol(invited, PASSWORD, folder, "笔记本", build=1, random=os.urandom, clock=clock, kdf=CHEAP)
        finished(steps)[0].lock()
    return home


def needles(home: Path) -> Needles:
    """What must not be found."""
    (folder,) = config.workplaces(home)
    found = slots.unlock(folder, slots.people(folder)[0].staff, PASSWORD)
    key = found.database_key.to_bytes()
    return {
        "password": PASSWORD.encode(),
        "password in Qt": PASSWORD.encode("utf-16-le"),
        "vault key": found.vault_key,
        "database key": found.database_key.raw,
        "database key in hex": key.hex().encode(),
        "database key in capital hex": key.hex().upper().encode(),
        "signing seed": found.person.signing_seed,
        "private key": found.person.box_private,
        "device seed": found.device_seed,
    }


# --- looking into processes -----------------------------------------------------------------------------------


def processes(home: Path) -> list[int]:
    """All processes of the program whose folder is `home`."""
    mark = b"HUDANG_HOME=" + os.fsencode(home) + b"\0"
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (place / "environ").read_bytes():
                found.append(int(place.name))
    return found


def copies(process: int, wanted: Needles) -> Counter[str]:
    """How often each needle stands in what the process can write."""
    longest = max(map(len, wanted.values()))
    seen: Counter[str] = Counter()
    with suppress(OSError), Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for begin, end in _writable(process):
            before = b""
            for at in range(begin, end, _CHUNK):
                try:
                    memory.seek(at)
                    data = before + memory.read(min(_CHUNK, end - at))
                except (OSError, ValueError):  # a device, or gone since
                    break
                for name, needle in wanted.items():
                    # What lies wholly in what was already searched is not counted twice.
                    seen[name] += data.count(needle) - before.count(needle)
                before = data[-longest + 1 :]
    return +seen


def _writable(process: int) -> Iterator[tuple[int, int]]:
    """Regions that can be read and written and of which anything is in memory."""
    region: tuple[int, int] | None = None
    for line in Path(f"/proc/{process}/smaps").read_text(encoding="utf-8", errors="replace").splitlines():
        first, _, rest = line.partition(" ")
        if "-" in first and not first.endswith(":"):
            begin, end = (int(part, 16) for part in first.split("-"))
            region = (begin, end) if rest.startswith("rw") else None
        elif first in ("Rss:", "Swap:") and region is not None and rest.split()[0] != "0":
            yield region
            region = None


def wait_for(holds: Callable[[], bool], what: str) -> None:
    """Until it holds; AssertionError when it does not in the end."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, what
        time.sleep(0.05)


# --- a cycle --------------------------------------------------------------------------------------------------


@contextmanager
def worked(home: Path, how: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program unlocks, works and locks in a process of its own; what is left of it is ended with the block."""
    environment = dict(os.environ, HUDANG_HOME=str(home), QT_QPA_PLATFORM="offscreen", PYTHONPATH=str(ROOT))
    command = [sys.executable, "-m", "tests.faults.locking", how]
    process = subprocess.Popen(
        command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdin is not None
        process.stdin.write(PASSWORD.encode())
        process.stdin.close()
        yield process
    finally:
        for left in processes(home):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def case(number: int, folder: Path) -> str:
    """One cycle; the number only varies what was done before locking."""
    home = folder / "home"
    shutil.copytree(_template(), home)
    wanted = needles(home)
    with worked(home, LOCK + str(chance.Random(number).randrange(4))) as process:
        wait_for(lambda: process.poll() is not None, "the process that held the secrets did not end")
        assert process.stderr is not None
        assert process.returncode == 0, process.stderr.read().decode()[-2000:]
        name = {"name": PERSON.encode("utf-16-le")}
        fresh = [each for each in processes(home) if each != process.pid]
        assert fresh, "no fresh process came to the door"
        wait_for(lambda: _is_at_the_door(home, {**wanted, **name}), "nobody's name came to the door")
    return "gone"


def _is_at_the_door(home: Path, wanted: Needles) -> bool:
    """Whether the person's name is seen by now, in any process; AssertionError when anything else is."""
    found = sum((copies(each, wanted) for each in processes(home)), Counter[str]())
    at_the_door = found.pop("name", 0) > 0
    assert not found, f"found after locking: {_listed(found)}"
    return at_the_door


def lowered() -> str:
    """A program that locks its vault but does not end is found out; how many copies it still has."""
    with empty_folder() as folder:
        home = folder / "home"
        shutil.copytree(_template(), home)
        wanted = needles(home)
        with worked(home, STAY) as process:
            assert process.stdout is not None
            opened = process.stdout.readline()
            assert opened == b"opened\n", process.stderr.read().decode()[-2000:] if process.stderr else ""
            before = copies(process.pid, wanted)
            os.kill(process.pid, signal.SIGUSR1)
            assert process.stdout.readline() == b"locked\n"
            after = copies(process.pid, wanted)
    assert after, "a process that goes on after locking has no copy of anything"
    return f"copies in one process with an open vault: {_listed(before)}; after locking it: {_listed(after)}"


def _listed(found: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(found.items())) or "none"
