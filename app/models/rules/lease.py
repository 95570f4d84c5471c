"""How long a laptop may show dossiers without hearing from its county. Pure.

Counted by the highest time ever seen, not by the clock: setting the clock back does not lengthen the lease (reference
security.md 2.8). The one time that is believed is the county's. A contact sets the highest time to it and remembers how
far the own clock is off, so that a clock that once stood in 2099 is no lasting harm, neither when it is put right
afterwards nor when it is not.

As long as the machine runs, time goes on at least that fast, whatever the clock shows. A clock that shows less than
that was put back, or stood wrong at the contact: from there on it counts anew, so a lease never stands still. What is
gained by putting it back is only the time for which the machine was off just before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

DAY_MS: Final = 86_400_000
WARNED_DAYS: Final = 7  # before the end; of a short lease its last third


class Standing(Enum):
    """What the lease allows."""

    OPEN = "open"
    WARN = "warn"
    UPLOAD_ONLY = "upload-only"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`days_left`: whole days begun until only reporting is left, 0 then."""

    standing: Standing
    days_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """UTC milliseconds, in the county's time: the highest time seen and the last contact. `offset_ms`: what has to be
    added to the own clock to have the county's. `running_ms`, `boot`: how long the machine had run then, and since
    which of its starts."""

    highest_seen_ms: int
    last_contact_ms: int
    offset_ms: int = 0
    running_ms: int = 0
    boot: str = ""

    @classmethod
    def begin(cls, now_ms: int, county_ms: int, running_ms: int = 0, boot: str = "") -> Lease:
        """The lease of a laptop that speaks to its county for the first time."""
        return cls(
            highest_seen_ms=county_ms,
            last_contact_ms=county_ms,
            offset_ms=county_ms - now_ms,
            running_ms=running_ms,
            boot=boot,
        )

    def seen(self, now_ms: int, running_ms: int = 0, boot: str = "") -> Lease:
        """The own clock shows `now_ms`, the machine has run for `running_ms` since its start `boot`: time goes on,
        never back, and never less than the machine has run."""
        same_start = boot == self.boot and running_ms >= self.running_ms
        least_ms = self.highest_seen_ms + (running_ms - self.running_ms if same_start else running_ms)
        shown_ms = now_ms + self.offset_ms
        return replace(
            self,
            highest_seen_ms=max(least_ms, shown_ms),
            offset_ms=self.offset_ms + max(0, least_ms - shown_ms),
            running_ms=running_ms,
            boot=boot,
        )

    def witnessed(self, highest_ms: int) -> Lease:
        """Somebody else has seen `highest_ms` since the last contact."""
        return replace(self, highest_seen_ms=max(self.highest_seen_ms, highest_ms))

    def contact(self, now_ms: int, county_ms: int, running_ms: int = 0, boot: str = "") -> Lease:
        """The county's time is `county_ms` while the own clock shows `now_ms`. An answer that is older than the last
        contact was kept back by somebody and changes nothing."""
        if county_ms < self.last_contact_ms:
            return self
        return Lease.begin(now_ms, county_ms, running_ms, boot)

    def state(self, now_ms: int, lease_days: int) -> State:
        """Where the lease of `lease_days` stands."""
        shown_ms = max(self.highest_seen_ms, now_ms + self.offset_ms)
        left_ms = self.last_contact_ms + lease_days * DAY_MS - shown_ms
        days = max(0, -(-left_ms // DAY_MS))
        if not days:
            return State(standing=Standing.UPLOAD_ONLY, days_left=0)
        warned = min(WARNED_DAYS, lease_days // 3)
        return State(standing=Standing.WARN if days <= warned else Standing.OPEN, days_left=days)
