"""Marked values through everything: see `tests.faults.markers`."""

from __future__ import annotations

from tests.faults import markers
from tests.faults.frame import do_ci_cases
from tests.faults.marked import MARKERS


def test_there_are_forty_different_markers() -> None:
    assert len(set(MARKERS.values())) == len(MARKERS) >= 40


def test_nothing_personal_lies_in_clear_after_everything_killed_or_not() -> None:
    outcomes = do_ci_cases(markers)
    assert outcomes["clean"] == 1
    assert outcomes["clean after a kill"] == markers.CI - 1


def test_it_fails_when_one_marker_is_left() -> None:
    assert markers.lowered()
