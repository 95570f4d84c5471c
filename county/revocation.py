"""Revocation: a key, a person's keys or a whole device end, at a last good entry; what was at stake is told.

A `signer` record that ends says up to which seq the chain is good: what the county has at that moment, or what it was
told. Later entries are held (`county.quarantine`). With a device end the keys on it, and the card pools of its
workplace that still have cards to bind: a pool is handed to a workplace, nobody can tell which vault took which card.
All of it is one transaction. The incident names staff and places, no household and no person in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from app.errors import InputProblem
from app.ledger.authority import MAY_WRITE, SERVICE
from app.ledger.entry import Act
from app.models.records.fieldwork import CARD, POOL
from app.models.records.households import HOUSEHOLD
from app.models.records.people import DEVICE, SIGNER, STAFF
from app.models.store import Transaction, load_authority
from app.models.tables import ENTRY, TABLES
from county import delivery
from county.administration import Areas, Author, County, Deed, check_authority, ended
from county.cards import china_day, withdrawal
from county.tables import CHECKPOINT

SHORTEST: Final = 8  # hex digits that name an id


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is to end: signer records (rows), and the device (row) when it is one that ends."""

    signers: Sequence[Any]
    device: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What a revocation ended. `chains`: (id, last good seq); `behind`: entries of these chains that stand in the log
    behind that; `areas` and `households` lay on the devices; `received_ms`: when the county last got anything from
    them; `pools` were withdrawn, `bound` of their cards hang at doors and have to be replaced."""

    staff: tuple[str, ...]
    devices: tuple[str, ...]
    chains: tuple[tuple[bytes, int], ...]
    behind: int
    areas: tuple[str, ...]
    households: int
    received_ms: int | None
    pools: tuple[str, ...]
    bound: int


def of_staff(tx: Transaction, staff: bytes) -> Target:
    """All keys in force of a person. InputProblem("revoke-nothing")."""
    table = TABLES[SIGNER.number]
    return _target(tx.execute(select(table).where(table.c.staff == staff, table.c.alive)).all())


def of_chain(tx: Transaction, text: str) -> Target:
    """The key of one chain, named by the first digits of its id. InputProblem("revoke-nothing" | "id-short")."""
    table = TABLES[SIGNER.number]
    rows = tx.execute(select(table).where(table.c.alive)).all()
    return _target([row for row in rows if row.chain.hex().startswith(_digits(text))])


def of_device(tx: Transaction, text: str) -> Target:
    """A device in force by name or by the first digits of its id, with the keys on it. InputProblem("device-unknown" |
    "device-many")."""
    device, signer = TABLES[DEVICE.number], TABLES[SIGNER.number]
    rows = tx.execute(select(device).where(device.c.alive).order_by(device.c.id)).all()
    found = [row for row in rows if row.name == text]
    if not found and len(text) >= SHORTEST:
        found = [row for row in rows if row.id.hex().startswith(text.lower())]
    if len(found) != 1:
        raise InputProblem("device-many" if found else "device-unknown")
    keys = tx.execute(select(signer).where(signer.c.device == found[0].id, signer.c.alive)).all()
    return Target(signers=keys, device=found[0])


def revoke(
    county: County, by: Author, tx: Transaction, target: Target, reason: str, good_until: int | None = None
) -> Incident:
    """End what `target` names, in the transaction of the caller, who looked it up there. `good_until`: the last seq of
    the one chain that is good, where somebody knows better than what the county has; of a device all that comes later
    is held.

    InputProblem("not-allowed" | "revoke-one-chain" | "revoke-last": nobody would be left who can give keys), and as the
    field of the reason says."""
    check_authority(tx, by, SIGNER.number, DEVICE.number, *([POOL.number] if target.device else []))
    if not _somebody_left(tx, {row.id for row in target.signers}):
        raise InputProblem("revoke-last")
    if good_until is not None and (len(target.signers) != 1 or good_until < 0 or target.device):
        raise InputProblem("revoke-one-chain")
    devices = [target.device] if target.device else _devices(tx, target.signers)
    stake = _at_stake(county, tx, devices)
    chains = []
    told = []
    for row in target.signers:
        last = _last_seq(county, row.chain) if good_until is None else good_until
        chains.append((row.chain, last))
        # Nothing of the chain is good: no number says that, and none is read as that.
        facts = {"ended_for": reason, **({"last_seq": last} if last >= 0 else {})}
        told.append(ended(tx, SIGNER, row.id, facts))
    roots = {row.staff for row in target.signers}
    deeds: list[Deed] = []
    pools: list[Any] = []
    if target.device:
        told.append(ended(tx, DEVICE, target.device.id))
        roots.add(target.device.staff)
        pools = _open_pools(tx, target.device.workplace)
        deeds = [withdrawal(tx, pool.id) for pool, _ in pools]
    if told:
        deeds.insert(0, Deed(act=Act.REVOKE, roots=sorted(roots), said=told))
    behind = sum(max(_last_seq(county, chain) - last, 0) for chain, last in chains)
    received = _received(tx, [chain for chain, _ in chains])
    county.act(tx, by, deeds)
    return Incident(
        staff=tuple(sorted(_names(tx, roots))),
        devices=tuple(row.name or row.id.hex()[:SHORTEST] for row in devices),
        chains=tuple(chains),
        behind=behind,
        areas=stake[0],
        households=stake[1],
        received_ms=received,
        pools=tuple(pool.pool_no for pool, _ in pools),
        bound=sum(bound for _, bound in pools),
    )


def _target(signers: Sequence[Any]) -> Target:
    if not signers:
        raise InputProblem("revoke-nothing")
    return Target(signers=signers)


def _somebody_left(tx: Transaction, ended: set[bytes]) -> bool:
    """Whether a person keeps a key that may give and end keys. The server's does not count: nobody signs in with it."""
    table, authority = TABLES[SIGNER.number], load_authority(tx)
    rest = tx.execute(select(table.c.chain).where(table.c.alive, table.c.id.not_in(ended))).scalars()
    roles = (authority.roles(chain) - {SERVICE} for chain in rest)
    return any(SIGNER.number in MAY_WRITE.get(role, ()) for held in roles for role in held)


def _digits(text: str) -> str:
    if len(text) < SHORTEST:
        raise InputProblem("id-short", limit=SHORTEST)
    return text.lower()


def _last_seq(county: County, chain: bytes) -> int:
    """The last entry of a chain that the county has; -1 before its first."""
    known = county.log.chains.get(chain)
    return -1 if known is None else known.next_seq - 1


def _devices(tx: Transaction, signers: Iterable[Any]) -> list[Any]:
    table = TABLES[DEVICE.number]
    wanted = {row.device for row in signers if row.device is not None}
    return list(tx.execute(select(table).where(table.c.id.in_(wanted)).order_by(table.c.id)).all())


def _at_stake(county: County, tx: Transaction, devices: Sequence[Any]) -> tuple[tuple[str, ...], int]:
    """Paths of the areas and number of households that the vaults of these devices hold."""
    areas, today = Areas(tx), china_day(county.clock())
    homes = TABLES[HOUSEHOLD.number]
    places, households = set[bytes](), set[bytes]()
    for row in devices:
        here = delivery.device(tx, row.id)
        held = delivery.scope(tx, county.log, county.root, here, delivery.sights(tx, here, today))
        places |= areas.below(row.workplace) & set(held)
        for at in range(0, len(held), 400):
            households.update(tx.scalars(select(homes.c.id).where(homes.c.id.in_(held[at : at + 400]))))
    tops = [areas.by_id[place] for place in places if areas.by_id[place].parent not in places]
    return tuple(sorted(areas.path(area) or area.name for area in tops)), len(households)


def _open_pools(tx: Transaction, workplace: bytes) -> list[tuple[Any, int]]:
    """(pool, how many of its cards are bound) of the pools of a workplace that have cards left to bind."""
    pool, card = TABLES[POOL.number], TABLES[CARD.number]
    found = []
    for row in tx.execute(select(pool).where(pool.c.workplace == workplace, pool.c.alive).order_by(pool.c.pool_no)):
        of_pool = func.substr(card.c.card_no, 1, 4) == row.pool_no
        bound = tx.scalar(select(func.count(card.c.card_no.distinct())).where(of_pool)) or 0
        if bound < row._mapping["count"]:
            found.append((row, bound))
    return found


def _received(tx: Transaction, chains: Sequence[bytes]) -> int | None:
    newest = tx.scalar(select(func.max(ENTRY.c.position)).where(ENTRY.c.chain.in_(chains)))
    if newest is None:
        return None
    later = select(CHECKPOINT.c.time).where(CHECKPOINT.c.size > newest).order_by(CHECKPOINT.c.size).limit(1)
    return tx.scalar(later)


def _names(tx: Transaction, staff: Iterable[bytes]) -> list[str]:
    table = TABLES[STAFF.number]
    return [name for name in tx.scalars(select(table.c.name).where(table.c.id.in_(list(staff)))) if name]
