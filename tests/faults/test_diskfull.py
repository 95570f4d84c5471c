"""Full disks (G13); and that the harness sees what a worse program would do."""

from __future__ import annotations

from tests.faults import diskfull, frame


def test_a_full_disk_loses_nothing_and_can_be_read() -> None:
    outcomes = frame.do_ci_cases(diskfull)
    assert len(outcomes) == len(diskfull.HOWS)


def test_a_worse_program_is_found_out() -> None:
    assert "ballast" in diskfull.lowered()
