"""The session's clocks that outlive the program: the lease, and when the county was last heard.

The lease is looked at when the desk is opened and every few minutes after; a contact with the county renews it
(`app.models.rules.lease`). What this computer has seen of time outside the vault counts too, so that an older copy of
the vault's folder gains nothing (`app.vault.witness`). When the lease is over, data are no longer shown; reporting
still works and renews it.
"""

from __future__ import annotations

from typing import Any, Final

from app.casework.desk import Desk
from app.models.queries import staff
from app.models.rules.lease import Lease, State
from app.models.rules.policy import Policy
from app.models.store import Transaction
from app.vault import kept
from app.vault.vault import Vault
from app.vault.witness import Witness

LAST_EXCHANGE: Final = "last-exchange"  # the kept setting with the instant of the last whole exchange (ms)
_LEASE: Final = "lease"


def note_exchange(desk: Desk, offset_ms: int) -> None:
    """Everything was exchanged just now; the county's clock is `offset_ms` ahead of this one."""
    with desk.vault.transaction() as tx:
        note_contact(tx, desk.vault, desk.clock(), offset_ms, desk.witness)


def note_contact(tx: Transaction, vault: Vault, now_ms: int, offset_ms: int, witness: Witness | None) -> None:
    """As `note_exchange`, before there is a desk."""
    kept.put_setting(tx, LAST_EXCHANGE, now_ms)
    held, county, running = _held(tx), now_ms + offset_ms, _running(witness)
    lease = held.contact(now_ms, county, *running) if held is not None else Lease.begin(now_ms, county, *running)
    _keep(tx, vault, lease, witness)


def look_at_lease(
    tx: Transaction, vault: Vault, now_ms: int, policy: Policy, witness: Witness | None
) -> tuple[State, int]:
    """Where the lease stands now, and what time it is at least in the county's (ms); that time went on is kept. It
    begins with the first contact, never by the own clock, which may stand anywhere."""
    held = _held(tx)
    if held is None:
        return Lease.begin(now_ms, now_ms).state(now_ms, policy.lease_days), now_ms
    lease = held.seen(now_ms, *_running(witness))
    if witness is not None:
        lease = lease.witnessed(witness.highest_ms(vault.vault_id, lease.last_contact_ms))
    _keep(tx, vault, lease, witness)
    return lease.state(now_ms, policy.lease_days), lease.highest_seen_ms


def watch(desk: Desk) -> tuple[State, Policy]:
    """The lease and the county's policy as they are now, after some time or an exchange."""
    with desk.vault.transaction() as tx:
        policy = staff.policy(tx)
        return look_at_lease(tx, desk.vault, desk.clock(), policy, desk.witness)[0], policy


def _running(witness: Witness | None) -> tuple[int, str]:
    return (0, "") if witness is None else (witness.clock_ms(), witness.boot())


def _held(tx: Transaction) -> Lease | None:
    kept_as: Any = kept.setting(tx, _LEASE)
    if kept_as is None:
        return None
    highest, contact, offset, running, boot = kept_as
    return Lease(highest_seen_ms=highest, last_contact_ms=contact, offset_ms=offset, running_ms=running, boot=boot)


def _keep(tx: Transaction, vault: Vault, lease: Lease, witness: Witness | None) -> None:
    if witness is not None:
        witness.note(vault.vault_id, lease.last_contact_ms, lease.highest_seen_ms)
    kept.put_setting(
        tx, _LEASE, [lease.highest_seen_ms, lease.last_contact_ms, lease.offset_ms, lease.running_ms, lease.boot]
    )
