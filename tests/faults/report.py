"""docs/reliability.md, written from the results of the harnesses and from nothing else."""

from __future__ import annotations

import json
import os
import platform
import sys
import traceback
from collections import Counter
from dataclasses import asdict, dataclass

import sqlcipher3.dbapi2 as sqlcipher

from tests.faults import frame
from tests.faults.frame import Broken, Harness, Slice

LOWERED = -1  # in place of the number of a case
REPORT = frame.ROOT / "docs" / "reliability.md"

_HEAD = """\
# Reliability

Written by `python -m tests.faults --report` from the results in `build/faults/`; not by hand. Each harness breaks the
machine under the program on purpose, many times over, and checks after each time what the program promises. *Run* are
all cases that ran; *on this code* those that ran on the very code that lies beside this report, of all parts of the
program that the harness drives. What each harness does, and what its model leaves out, stands at the head of its module
in `tests/faults/`.

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """What a harness saw when a protection was lowered on purpose, on which code, when."""

    seen: str
    code: str
    date: str


def write(harnesses: dict[str, Harness]) -> None:
    """Write the report of all harnesses, those that could not run here among them."""
    lines = [_HEAD, f"- Date: {frame.today()} UTC\n", f"- Commit: {frame.commit() or 'unknown'}\n"]
    lines.append(f"- Machine: {machine()}\n\n## Promises\n\n")
    lines.append(
        "| Harness | Promise | Run | On this code | Release | What happened | Broken | Minutes | Last run (UTC) |\n"
    )
    lines.append("| --- | --- | ---: | ---: | ---: | --- | ---: | ---: | --- |\n")
    seen = [(harness.NAME, _lowered(harness)) for harness in harnesses.values() if not frame.why_not(harness)]
    failed = frame.broken()
    lines += [_row(harness, frame.results(harness.NAME), failed) for harness in harnesses.values()]
    lines.append("\n## Protections lowered on purpose\n\nA harness that cannot fail proves nothing.\n\n")
    lines.append("| Harness | What was lowered, what the harness saw | Date (UTC) |\n| --- | --- | --- |\n")
    lines += [f"| {name} | {_cell(each.seen)} | {each.date} |\n" for name, each in seen]
    if failed:
        lines.append("\n## Broken\n\n")
        lines += [f"- {each.name}, case {each.number}: {_cell(each.seen)}\n" for each in failed]
    REPORT.write_text("".join(lines), encoding="utf-8")


def machine() -> str:
    """The class of this machine; nothing that names it."""
    try:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        system = platform.system()
    connection = sqlcipher.connect(":memory:")
    try:
        cipher = connection.execute("PRAGMA cipher_version").fetchone()[0]
    finally:
        connection.close()
    versions = f"Python {platform.python_version()}, SQLCipher {cipher} on SQLite {sqlcipher.sqlite_version}"
    return f"{os.cpu_count()} cores {platform.machine()}, {system}, {versions}"


def _row(harness: Harness, slices: list[Slice], failed: list[Broken]) -> str:
    here = frame.numbers_done([each for each in slices if each.code == frame.code(harness)])
    outcomes = Counter[str]()
    for each in slices:
        outcomes.update(each.outcomes)
    told = ", ".join(f"{word} {count:,}" for word, count in outcomes.most_common())
    cannot = frame.why_not(harness)
    if cannot:
        told = f"{told}; not here: {cannot}" if told else f"not run here: {cannot}"
    cells = (
        harness.NAME,
        _cell(harness.TITLE),
        f"{outcomes.total():,}",
        f"{len(here):,}",
        f"{harness.RELEASE:,}",
        _cell(told),
        str(sum(each.name == harness.NAME for each in failed)),
        f"{sum(each.seconds for each in slices) / 60:.1f}",
        max((each.date for each in slices), default="never"),
    )
    return f"| {' | '.join(cells)} |\n"


def _lowered(harness: Harness) -> Lowered:
    """Lower it now, unless it was lowered on this very code before."""
    path = frame.RESULTS / f"{harness.NAME}.lowered.json"
    try:
        kept = Lowered(**json.loads(path.read_text(encoding="utf-8")))
        if kept.code == frame.code(harness):
            return kept
    except (OSError, ValueError, TypeError):
        pass
    process = os.fork()  # what it lowers stays in there
    if not process:
        try:
            lowered = Lowered(seen=harness.lowered(), code=frame.code(harness), date=frame.today())
        except Exception as problem:  # noqa: BLE001 - whatever it is, nothing was seen
            traceback.print_exc()
            frame.note_broken(Broken(name=harness.NAME, number=LOWERED, seen=f"lowered, and not noticed: {problem}"))
            sys.exit(1)
        frame.RESULTS.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(lowered)), encoding="utf-8")
        frame.forget_broken(harness.NAME, {LOWERED})
        sys.exit(0)
    if os.waitpid(process, 0)[1]:
        return Lowered(seen="NOT NOTICED", code="", date=frame.today())
    return Lowered(**json.loads(path.read_text(encoding="utf-8")))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
