"""Flipped bits and cuts: see `tests.faults.bitflips`."""

from __future__ import annotations

from tests.faults import bitflips
from tests.faults.frame import do_ci_cases


def test_no_flip_or_cut_changes_anything_without_a_word() -> None:
    outcomes = do_ci_cases(bitflips)
    for kind in bitflips.KINDS:
        assert sum(outcomes[f"{kind.__name__} {end}"] for end in ("told", "unharmed", "before")) == 200
    assert outcomes["hot_journal before"] > 10
    assert outcomes["slot_file unharmed"] == 200


def test_it_fails_when_a_protection_is_lowered() -> None:
    assert bitflips.lowered()
