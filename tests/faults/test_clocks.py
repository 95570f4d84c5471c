"""Clocks that jump: see `tests.faults.clocks`."""

from __future__ import annotations

from tests.faults import clocks
from tests.faults.frame import do_ci_cases


def test_no_jump_of_a_clock_loses_or_reorders_anything() -> None:
    assert do_ci_cases(clocks).total() * clocks.JUMPS == 200


def test_it_fails_when_a_protection_is_lowered() -> None:
    assert clocks.lowered()
