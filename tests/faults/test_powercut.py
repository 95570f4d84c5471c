"""The power goes at any moment (G2); that weaker settings are found out (G2b); and the model of the disk itself."""

from __future__ import annotations

import random as chance
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults import frame, powercut, recording, replay
from tests.faults.replay import ROOT, Disk, Names, Recording, Sync, Told, Write


@pytest.fixture(scope="module")
def traced() -> None:
    """Skips only where the system forbids tracing; a tracer that is missing is an error."""
    cannot = powercut.unable()
    if cannot:
        pytest.skip(cannot)


def test_a_power_cut_loses_nothing_that_was_acknowledged(traced: None) -> None:
    outcomes = frame.do_ci_cases_apart(powercut)
    assert set(outcomes) == {"kept", "back", "ahead", "none"}


def test_weaker_settings_are_found_out(traced: None) -> None:
    assert "sync-off" in powercut.lowered()


# --- the model ------------------------------------------------------------------------------------------------

PROGRAM = """
import os, sys
told = os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(told, b"begin day\\n")

at = sys.argv[1] + "/day/"
f = os.open(at + "a.tmp", os.O_RDWR | os.O_CREAT)
os.write(f, b"x" * 700); os.pwrite(f, b"yy", 699)
os.fsync(f); os.close(f)
os.rename(at + "a.tmp", at + "a")
os.write(told, b"renamed\\n")
d = os.open(at, os.O_RDONLY); os.fsync(d); os.close(d)
os.write(told, b"durable\\n")
f = os.open(at + "a", os.O_WRONLY | os.O_APPEND)
os.write(f, b"z" * 1000); os.ftruncate(f, 1200)
os.close(f)
os.mkdir(at + "new"); os.remove(at + "old")
os.write(told, b"through\\n")
"""


def test_a_trace_is_replayed_as_it_was(traced: None, tmp_path: Path) -> None:
    watched, told, trace = tmp_path / "disk", tmp_path / "told", tmp_path / "trace"
    (watched / "day").mkdir(parents=True)
    (watched / "day" / "old").write_bytes(b"old")
    before = Disk.of(watched)
    program = [*recording.TRACER, "-e", f"trace={replay.CALLS}", "-o", str(trace), sys.executable, "-c", PROGRAM]
    subprocess.run([*program, str(watched), str(told)], check=True)
    with trace.open() as lines:
        work = replay.sections(before, replay.parse(lines, before, watched, told), opens=b"begin ")["day"]
    marks = {each.line: at for at, each in enumerate(work.operations) if isinstance(each, Told)}

    def cut(mark: bytes, how: str) -> dict[str, bytes]:
        disk = replay.cut(work, marks[mark], how, chance.Random(1))
        files = disk.folders[work.top]
        return {name: bytes(disk.files.get(node, b"a folder")) for name, node in files.items()}

    assert cut(b"renamed\n", "none") == {"old": b"old"}
    assert cut(b"renamed\n", "names-first") == {"old": b"old", "a": b"x" * 699 + b"yy"}
    assert cut(b"through\n", "none") == {"old": b"old", "a": b"x" * 699 + b"yy"}
    assert cut(b"through\n", "data-first") == {"old": b"old", "a": b"x" * 699 + b"yy" + b"z" * 499}
    last = cut(b"through\n", "all")
    assert last == {"a": b"x" * 699 + b"yy" + b"z" * 499, "new": b"a folder"}
    everything = tmp_path / "laid"
    everything.mkdir()
    replay.cut(work, len(work.operations), "all", chance.Random(1)).lay(everything, work.top)
    assert {path.name for path in everything.iterdir()} == {path.name for path in (watched / "day").iterdir()}
    assert (everything / "a").read_bytes() == (watched / "day" / "a").read_bytes()


def test_sectors_are_torn_and_names_come_out_of_turn() -> None:
    before = Disk()
    file = before.new(folder=False)
    other = before.new(folder=False)
    before.folders[ROOT]["f"] = file
    work = Recording(
        before=before,
        top=ROOT,
        operations=(
            Write(file, 0, b"a" * 2048),
            Sync(file),
            Write(file, 100, b"b" * 1500),
            Names(((ROOT, "one", other),)),
            Names(((ROOT, "one", None), (ROOT, "two", other))),
            Sync(ROOT),
            Names(((ROOT, "two", None),)),
            Names(((ROOT, "three", other),)),
        ),
    )
    seen, names = set(), set()
    for seed in range(200):
        disk = replay.cut(work, 3, "torn", chance.Random(seed))
        data = bytes(disk.files[file])
        assert data[:100] == b"a" * 100
        assert data[1600:] == b"a" * 448
        parts = [data[100:512], data[512:1024], data[1024:1536], data[1536:1600]]
        assert all(len(set(part)) == 1 for part in parts)
        seen.add("".join(chr(part[0]) for part in parts))
        names.add(tuple(sorted(replay.cut(work, 8, "subset", chance.Random(seed)).folders[ROOT])))
    assert len(seen) == 16
    assert names == {("f",), ("f", "two"), ("f", "three"), ("f", "three", "two")}


def test_what_cannot_be_replayed_is_refused(traced: None, tmp_path: Path) -> None:
    watched, trace = tmp_path / "disk", tmp_path / "trace"
    watched.mkdir()
    program = "import os, sys; os.symlink('x', sys.argv[1] + '/y')"
    traced_program = [*recording.TRACER, "-e", f"trace={replay.CALLS}", "-o", str(trace), sys.executable, "-c", program]
    subprocess.run([*traced_program, str(watched)], check=True)
    with trace.open() as lines, pytest.raises(ValueError, match="symlink is not replayed"):
        list(replay.parse(lines, Disk(), watched, tmp_path / "told"))
