"""Forty marked values (names, identity numbers, illnesses, telephones, accounts, passwords, promises ...) go through
everything that is done with the program, and are then looked for on the disk in every spelling (G7).

Case 0 ends well; in the others the process with laptop and county in it is killed at a moment of its own. Searched are
the program's folder with settings and backups, temporary files, caches, everything else below the person's home, what
a spooler keeps, logs at their most talkative level, the standard output and error, and all of the county's folders.
Spared are the files that a person chose to have: the register, the list of corrections, the sheets, the log export, the
photo of the camera. Nor may the standard sqlite3 read anything anywhere. The clipboard is seen to empty itself.
"""

from __future__ import annotations

import os
import random as chance
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from county import demo
from tests.faults.frame import ROOT, empty_folder, lasting_folder
from tests.faults.marked import CHEAP, DEEDS, END, MARKERS, now_ms
from tests.sweep import plain_databases, sweep

NAME = "markers"
TITLE = "G7: 40 marked values through every workflow, nowhere on the disk in clear, killed or not"
CI = 4
RELEASE = 200

SPARED = {"camera.jpg", "corrections.xlsx", "log.hudang", "paper.pdf", "qt.pdf", "register.xlsx", "sheet.pdf"}
LATEST_S = 0.8  # a kill comes within this time after its part of the work began


@cache
def _office() -> tuple[Path, str]:
    """A founded county, made once in a process, and its administrator's password."""
    folder = lasting_folder() / "office"
    county, password = demo.build(folder, now_ms, os.urandom, kdf=CHEAP)
    county.close()
    return folder, password


def _set_up(folder: Path) -> dict[str, str]:
    """Folders for a person who has nothing yet; the environment of their programs."""
    office, password = _office()
    shutil.copytree(office, folder / "office")
    (folder / "password").write_text(password, encoding="utf-8")
    places = {name: folder / "me" / name for name in ("home", "tmp", "cache", "config", "data", "hudang")}
    for place in (*places.values(), folder / "chosen"):
        place.mkdir(parents=True)
    named = {
        "HOME": "home",
        "TMPDIR": "tmp",
        "XDG_CACHE_HOME": "cache",
        "XDG_CONFIG_HOME": "config",
        "XDG_DATA_HOME": "data",
        "HUDANG_HOME": "hudang",
    }
    here = {variable: str(places[name]) for variable, name in named.items()}
    return {
        **os.environ,
        **here,
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(folder: Path, victim: str | None, moment_s: float) -> list[str]:
    """Do the work, killed `moment_s` after the part `victim` began; the words that were told."""
    environment = _set_up(folder)
    told: list[str] = []
    with (folder / "me" / "errors").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.marked", str(folder)],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            with process.stdout:
                for line in process.stdout:
                    told.append(line.decode().strip())
                    if told[-1] == victim:
                        time.sleep(moment_s)
                        os.killpg(process.pid, signal.SIGKILL)
            process.wait(600)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    (folder / "me" / "output").write_text("\n".join(told), encoding="utf-8")
    said = (folder / "me" / "errors").read_text(encoding="utf-8", errors="replace")
    assert victim is not None or process.returncode == 0, f"the work was not done: {said[-3000:]}"
    return told


def look(folder: Path) -> None:
    """Nothing lies anywhere."""
    places = [folder / "me", folder / "office"]
    found = sweep(places, MARKERS.values())
    names = {value: name for name, value in MARKERS.items()}
    lines = [
        f"{Path(path).relative_to(folder)}: {names[value]}" for path, _, value in (f.rpartition(": ") for f in found)
    ]
    assert not found, "; ".join(sorted(lines)[:20])
    assert not plain_databases(places), "a database that anybody can read"


def case(number: int, folder: Path) -> str:
    """All of the work once; ended well, or killed."""
    dice = chance.Random(f"markers {number}")
    victim = None if number == 0 else dice.choice(list(DEEDS))
    told = run(folder, victim, dice.uniform(0, LATEST_S))
    look(folder)
    if victim is None:
        assert told[-1] == END, told
        assert {path.name for path in (folder / "chosen").iterdir()} == SPARED
    return "clean" if victim is None else "clean after a kill"


def lowered() -> str:
    """One marker in one temporary file, in the spelling least easily seen, is found; and one in the county's log."""
    with empty_folder() as folder:
        _set_up(folder)
        look(folder)
        seen = []
        for place, value in (
            ("me/tmp/a", MARKERS["illness"].encode("gb18030").hex()),
            ("office/b", MARKERS["phone 5"]),
        ):
            path = folder / place
            path.write_bytes(b"\0\1" + value.encode() + b"\2")
            try:
                look(folder)
            except AssertionError as problem:
                seen.append(str(problem))
            path.unlink()
    assert len(seen) == 2, "a marker in clear was not found"
    return "a marker left on purpose: " + "; ".join(seen)
