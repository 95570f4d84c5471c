"""The session's clocks that outlive the program: the lease, and when the county was last heard.

The lease is looked at when the desk is opened and every few minutes after; a contact with the county renews it
(`app.models.rules.lease`). When it is over, data are no longer shown; reporting still works and renews it.
"""

from __future__ import annotations

from typing import Any, Final

from app.casework.desk import Desk
from app.models.queries import staff
from app.models.rules.lease import Lease, State
from app.models.rules.policy import Policy
from app.models.store import Transaction
from app.vault import kept

LAST_EXCHANGE: Final = "last-exchange"  # the kept setting with the instant of the last whole exchange (ms)
_LEASE: Final = "lease"


def note_exchange(desk: Desk, offset_ms: int) -> None:
    """Everything was exchanged just now; the county's clock is `offset_ms` ahead of this one."""
    with desk.vault.transaction() as tx:
        note_contact(tx, desk.clock(), offset_ms)


def note_contact(tx: Transaction, now_ms: int, offset_ms: int) -> None:
    """As `note_exchange`, before there is a desk."""
    kept.put_setting(tx, LAST_EXCHANGE, now_ms)
    held, county = _held(tx), now_ms + offset_ms
    _keep(tx, held.contact(now_ms, county) if held is not None else Lease.begin(now_ms, county))


def look_at_lease(tx: Transaction, now_ms: int, policy: Policy) -> State:
    """Where the lease stands now; that time went on is kept. It begins with the first contact, never by the own clock,
    which may stand anywhere."""
    held = _held(tx)
    if held is None:
        return Lease.begin(now_ms, now_ms).state(now_ms, policy.lease_days)
    lease = held.seen(now_ms)
    if lease != held:
        _keep(tx, lease)
    return lease.state(now_ms, policy.lease_days)


def watch(desk: Desk) -> tuple[State, Policy]:
    """The lease and the county's policy as they are now, after some time or an exchange."""
    with desk.vault.transaction() as tx:
        policy = staff.policy(tx)
        return look_at_lease(tx, desk.clock(), policy), policy


def _held(tx: Transaction) -> Lease | None:
    kept_as: Any = kept.setting(tx, _LEASE)
    if kept_as is None:
        return None
    highest, contact, offset = kept_as
    return Lease(highest_seen_ms=highest, last_contact_ms=contact, offset_ms=offset)


def _keep(tx: Transaction, lease: Lease) -> None:
    kept.put_setting(tx, _LEASE, [lease.highest_seen_ms, lease.last_contact_ms, lease.offset_ms])
