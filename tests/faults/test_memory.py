"""Memory after locking: see `tests.faults.memory`."""

from __future__ import annotations

import pytest

from tests.faults import memory
from tests.faults.frame import do_ci_cases

pytestmark = pytest.mark.skipif(bool(memory.unable()), reason=memory.unable())


def test_no_process_has_a_key_or_the_password_after_locking() -> None:
    assert do_ci_cases(memory) == {"gone": memory.CI}


def test_it_fails_when_the_process_does_not_end() -> None:
    assert memory.lowered()
