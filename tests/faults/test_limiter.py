"""The attempt limiter holds against whoever sits at the keyboard (G15), and a weaker one is found out."""

from __future__ import annotations

from tests.faults import frame, limiter


def test_nothing_at_the_keyboard_shortens_the_wait() -> None:
    outcomes = frame.do_ci_cases(limiter)
    assert outcomes["waited"] > limiter.CI / 3
    assert outcomes["full"]


def test_a_weaker_limiter_is_found_out() -> None:
    assert "wall clock" in limiter.lowered()
