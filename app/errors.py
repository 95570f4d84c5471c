"""The whole error tree: who must act decides the branch, the code decides the sentence.

    HudangError                 never raised itself
    ├── InputProblem            the person: a value, a file, a code that cannot be taken
    ├── VaultProblem            the person or the station: the encrypted file, its keys, its disk
    ├── TransportProblem        nobody: wait and try again; the county could not be reached
    ├── CountyRefusal           the county office: it answered and said no
    └── ChainBroken             the county office, now: a log does not prove what it should

Anything else that is raised is a bug. An error carries a stable code and facts, never a sentence: the sentences stand
in `app.messages`. Facts are numbers, counts, positions and column names; a personal value never becomes a fact.
"""

from __future__ import annotations

Fact = str | int | bool | None


class HudangError(Exception):
    """An error with a stable `code` (kebab-case) and `facts` for its sentence."""

    def __init__(self, code: str, **facts: Fact) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in sorted(self.facts.items()))
        return f"{self.code} {facts}".strip()


class InputProblem(HudangError):
    """Something the person gave cannot be used as it is."""


class VaultProblem(HudangError):
    """The encrypted file, its key slots or its disk stand in the way."""


class TransportProblem(HudangError):
    """The county could not be reached; nothing was lost; later it may work."""


class CountyRefusal(HudangError):
    """The county was reached and refused."""


class ChainBroken(HudangError):
    """A log, a signature or a proof does not hold."""
