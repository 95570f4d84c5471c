"""Killed while saving (G1); and that the harness sees what a worse program would lose."""

from __future__ import annotations

from tests.faults import frame, kills


def test_a_kill_loses_nothing_that_was_acknowledged() -> None:
    outcomes = frame.do_ci_cases(kills)
    assert outcomes["back"], "no kill hit a transaction on its way to the disk"


def test_a_worse_program_is_found_out() -> None:
    assert "kills" in kills.lowered()
