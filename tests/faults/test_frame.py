"""The frame itself: cases are counted once, a broken promise is found, kept and tried again, a kill costs one slice."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults import frame, report

PLAYS = '''
"""A harness of nothing."""
import time
from pathlib import Path

NAME, TITLE, CI, RELEASE = "plays", "nothing breaks", 3, 250


def case(number, folder):
    assert not any(folder.iterdir())
    (folder / "made").touch()
    assert number != 130 or Path("mended").exists(), "it broke"
    time.sleep(0.002)
    return "odd" if number % 2 else "even"


def lowered():
    assert not Path("blind").exists(), "nothing failed"
    return "nothing is lower than nothing"
'''

RUN = """
import sys
from pathlib import Path
import plays
from tests.faults import __main__ as runner, frame, report
frame.RESULTS, report.REPORT = Path("results"), Path("reliability.md").resolve()
frame.ROOT = Path.cwd()
frame.SLICE_S = runner.SLICE_S = 0.05
frame.harnesses = lambda: {"plays": plays}
sys.exit(runner.main())
"""


@pytest.fixture
def start(root: Path, tmp_path: Path) -> Starter:
    (tmp_path / "plays.py").write_text(PLAYS)
    return Starter(root, tmp_path)


class Starter:
    """Starts the runner with the harness of nothing, in an empty folder."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder

    def __call__(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, *arguments],
            cwd=self.folder,
            env={"PYTHONPATH": f"{self.root}:{self.folder}", "PATH": "/usr/bin:/bin"},
            stderr=subprocess.PIPE,
            text=True,
        )

    def results(self, monkeypatch: pytest.MonkeyPatch) -> list[frame.Slice]:
        monkeypatch.setattr(frame, "RESULTS", self.folder / "results")
        return frame.results("plays")


def test_a_killed_run_goes_on_and_no_case_counts_twice(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    (start.folder / "mended").touch()
    first = start()
    while not start.results(monkeypatch):
        time.sleep(0.02)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = start("--jobs", "2")
    said = second.communicate(timeout=60)[1]
    while second.returncode == 0 and "runs already" in said:  # the killed run's worker ends after its slice
        second = start("--jobs", "2")
        said = second.communicate(timeout=60)[1]
    assert second.returncode == 0, said
    slices = start.results(monkeypatch)
    assert frame.numbers_done(slices) == set(range(250))
    assert sum(each.end - each.start for each in slices) == 250
    assert sum(each.outcomes.get("odd", 0) for each in slices) == 125
    assert "| plays | nothing breaks | 250 | 250 | 250 |" in (start.folder / "reliability.md").read_text()


def test_more_jobs_than_work_is_no_trouble(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    (start.folder / "mended").touch()
    few = start("plays", "--upto", "20", "--jobs", "2")
    said = few.communicate(timeout=60)[1]
    assert few.returncode == 0, said
    assert "Traceback" not in said
    assert frame.numbers_done(start.results(monkeypatch)) == set(range(20))


def test_a_broken_promise_stops_the_run_and_is_tried_first_the_next_time(
    start: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = start()
    said = broken.communicate(timeout=60)[1]
    assert broken.returncode == 1
    assert "BROKEN in case 130" in said
    slices = start.results(monkeypatch)
    assert 130 not in frame.numbers_done(slices)
    assert [(each.name, each.number) for each in frame.broken()] == [("plays", 130)]
    assert "- plays, case 130: AssertionError: it broke" in (start.folder / "reliability.md").read_text()
    (start.folder / "mended").touch()
    mended = start("--upto", "140")
    said = mended.communicate(timeout=60)[1]
    assert mended.returncode == 0, said
    assert frame.broken() == []
    slices = start.results(monkeypatch)
    assert frame.numbers_done(slices) == set(range(140))


def test_a_harness_that_notices_nothing_is_a_broken_promise(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    (start.folder / "blind").touch()
    blind = start("--report")
    said = blind.communicate(timeout=60)[1]
    assert blind.returncode == 1, said
    report_of = start.folder / "reliability.md"
    assert "| plays | NOT NOTICED |" in report_of.read_text()
    (start.folder / "blind").unlink()
    seeing = start("--report")
    said = seeing.communicate(timeout=60)[1]
    assert seeing.returncode == 0, said
    assert "| plays | nothing is lower than nothing |" in report_of.read_text()


def test_every_harness_is_whole() -> None:
    for name, harness in frame.harnesses().items():
        assert name.isidentifier()
        assert 0 < harness.CI <= harness.RELEASE, name
        assert harness.TITLE, name
        assert callable(harness.case), name
        assert callable(harness.lowered), name


def test_a_folder_is_empty_outside_the_repository_and_goes() -> None:
    with frame.empty_folder() as folder:
        (folder / "something").touch()
        assert frame.ROOT not in folder.parents
    assert not folder.exists()


def test_the_machine_is_described_and_not_named() -> None:
    told = report.machine()
    assert "SQLCipher 4" in told
    assert platform.node() not in told
