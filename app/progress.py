"""How far a long piece of work has come.

Long work is a generator: at each `yield Progress(done=…, of=…)`, at most 50 ms apart, it has committed what
belongs together, so that whoever drives it may give way to others, show how far it is, or stop it for good
by closing it. Its result is what it returns.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """`done` of `of` items; `of` is 0 while the amount is not known yet. `doing` names the step for
    people."""

    done: int
    of: int
    doing: str = ""


Steps = Generator[Progress, None, Result]
